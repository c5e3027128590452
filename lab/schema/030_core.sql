-- Core tables (TBMU*): the consolidated register. No key leads from here back to a tbae* row.

CREATE TABLE tbmu002_persona (
    id_persona serial PRIMARY KEY,
    curp varchar(18),
    rfc varchar(13),
    nombre varchar(100),
    primer_apellido varchar(100),
    segundo_apellido varchar(100),
    sexo varchar(1),
    correo_electronico varchar(120),
    telefono varchar(15),
    activo char(1) DEFAULT 'A',
    fcreacion timestamp NOT NULL,
    fmodificacion timestamp,
    fbaja timestamp
);

CREATE TABLE tbmu020_alumno (
    id_alumno serial PRIMARY KEY,
    id_persona integer,
    id_subsistema integer,
    matricula varchar(50),
    activo char(1) DEFAULT 'A',
    fcreacion timestamp NOT NULL,
    fmodificacion timestamp,
    fbaja timestamp
);

CREATE TABLE tbmu006_inscripcion (
    id_inscripcion serial PRIMARY KEY,
    id_alumno integer REFERENCES tbmu020_alumno,
    id_estatus_inscripcion integer REFERENCES ctmu014_estatus_inscripcion,
    id_ciclo_escolar integer,
    id_turno integer,
    id_subsistema integer,
    fecha_inscripcion timestamp NOT NULL,
    activo char(1) DEFAULT 'A',
    fcreacion timestamp NOT NULL,
    notificado_siged boolean DEFAULT false
);

CREATE TABLE tbmu013_bajas (
    id_baja serial PRIMARY KEY,
    id_persona integer,
    tipo_baja varchar(30),
    motivo_baja varchar(200),
    activo char(1) DEFAULT 'A',
    fcreacion timestamp NOT NULL,
    fmodificacion timestamp,
    fbaja timestamp
);

CREATE TABLE tbmu018_asistencias (
    id_asistencia serial PRIMARY KEY,
    id_persona integer,
    cve_asignatura varchar(30),
    activo char(1) DEFAULT 'A',
    fcreacion timestamp NOT NULL,
    fmodificacion timestamp,
    fbaja timestamp
);

CREATE TABLE tbmu019_calificaciones (
    id_calificacion serial PRIMARY KEY,
    id_persona integer,
    cve_asignatura varchar(30),
    calificacion varchar(5),
    activo char(1) DEFAULT 'A',
    fcreacion timestamp NOT NULL,
    fmodificacion timestamp,
    fbaja timestamp
);
