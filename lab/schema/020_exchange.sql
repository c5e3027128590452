-- Exchange tables (TBAE*): what the subsystems sent, as it came, until it is consolidated and purged.
-- Times are without a zone, in the site's local time, as in production.

CREATE TABLE tbae001_inscripcion (
    uuid varchar(36) PRIMARY KEY,
    id_operacion_origen varchar(50),
    id_subsistema integer NOT NULL REFERENCES ctmu009_subsistema,
    matricula_alumno varchar(50),
    cct varchar(10),
    curp_actual varchar(18),
    curp_anterior varchar(18),
    rfc varchar(13),
    nss varchar(11),
    nombre varchar(100),
    primer_apellido varchar(100),
    segundo_apellido varchar(100),
    fecha_nacimiento varchar(10),
    sexo varchar(1),
    entidad_nacimiento varchar(60),
    nacionalidad varchar(60),
    estado_civil varchar(30),
    lengua_indigena varchar(60),
    discapacidad varchar(60),
    telefono_fijo varchar(15),
    telefono_celular varchar(15),
    telefono_emergencia varchar(15),
    correo_personal varchar(120),
    correo_institucional varchar(120),
    calle varchar(120),
    numero_exterior varchar(20),
    numero_interior varchar(20),
    colonia varchar(120),
    codigo_postal varchar(5),
    municipio varchar(100),
    entidad_federativa varchar(60),
    pais varchar(60),
    fecha_inscripcion timestamp,
    ciclo_escolar varchar(9),
    periodo_escolar varchar(20),
    tipo_inscripcion varchar(30),
    tipo_ingreso varchar(30),
    estatus_inscripcion varchar(30),
    turno varchar(20),
    modalidad varchar(30),
    nivel_educativo varchar(40),
    cve_programa_academico varchar(30),
    nombre_programa_academico varchar(150),
    cve_plan_estudios varchar(20),
    rvoe varchar(30),
    grado varchar(10),
    grupo varchar(10),
    creditos_inscritos varchar(6),
    cve_plantel varchar(20),
    nombre_plantel varchar(150),
    tipo_beca varchar(60),
    institucion_procedencia varchar(150),
    cct_procedencia varchar(10),
    fecha_certificado varchar(10),
    folio_certificado varchar(40),
    promedio_certificado varchar(5),
    fecha_actualizacion timestamp(6),
    id_estatus_procesamiento integer NOT NULL REFERENCES ctmu011_estatus_procesamiento
);

CREATE TABLE tbae002_bajas (
    uuid varchar(36) PRIMARY KEY,
    id_subsistema integer REFERENCES ctmu009_subsistema,
    matricula_alumno varchar(50),
    tipo_baja varchar(30),
    motivo_baja varchar(200),
    curp varchar(18),
    fecha_baja timestamptz,
    id_estatus_procesamiento integer REFERENCES ctmu011_estatus_procesamiento,
    fecha_actualizacion timestamp(6)
);

CREATE TABLE tbae005_asistencias (
    uuid varchar(36) PRIMARY KEY,
    curp varchar(18),
    fecha_asistencia timestamp,
    cve_asignatura varchar(30),
    id_estatus_procesamiento integer REFERENCES ctmu011_estatus_procesamiento,
    fecha_actualizacion timestamp(6)
);

CREATE TABLE tbae007_calificaciones (
    uuid varchar(36) PRIMARY KEY,
    curp varchar(18),
    cve_asignatura varchar(30),
    calificacion varchar(5),
    fecha_calificacion timestamp,
    id_estatus_procesamiento integer REFERENCES ctmu011_estatus_procesamiento,
    fecha_actualizacion timestamp(6)
);

-- The end of a record's way. `uuid` may point into any tbae00x, so it is no foreign key.
CREATE TABLE tbae009_respuesta (
    id_respuesta serial PRIMARY KEY,
    uuid varchar(36) NOT NULL,
    id_estatus_procesamiento integer NOT NULL REFERENCES ctmu011_estatus_procesamiento,
    fecha_respuesta timestamp(6) NOT NULL
);

CREATE TABLE tbae010_error (
    id_error serial PRIMARY KEY,
    id_respuesta integer NOT NULL REFERENCES tbae009_respuesta,
    id_motivo_error integer NOT NULL REFERENCES ctmu008_motivo_error
);
