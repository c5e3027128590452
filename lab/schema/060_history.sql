-- The past of the invented records: what consolidation made of the enrolments that records.py
-- put into tbae001_inscripcion, finished: their persons, students, enrolments, answers and errors.

INSERT INTO tbmu002_persona (curp, rfc, nombre, primer_apellido, segundo_apellido, sexo, correo_electronico, telefono, fcreacion)
SELECT DISTINCT ON (curp_actual)
    curp_actual, rfc, nombre, primer_apellido, segundo_apellido, sexo, correo_institucional, telefono_celular, fecha_actualizacion
FROM tbae001_inscripcion
WHERE id_estatus_procesamiento = 3
ORDER BY curp_actual, fecha_actualizacion;

INSERT INTO tbmu020_alumno (id_persona, id_subsistema, matricula, fcreacion)
SELECT DISTINCT ON (id_persona, id_subsistema) id_persona, id_subsistema, matricula_alumno, fcreacion
FROM tbae001_inscripcion
JOIN tbmu002_persona ON curp = curp_actual
ORDER BY id_persona, id_subsistema;

INSERT INTO tbmu006_inscripcion
    (id_alumno, id_estatus_inscripcion, id_ciclo_escolar, id_turno, id_subsistema, fecha_inscripcion, fcreacion, notificado_siged)
SELECT id_alumno, 1, left(ciclo_escolar, 4)::integer, 1, staged.id_subsistema, fecha_inscripcion, fecha_actualizacion, true
FROM tbae001_inscripcion AS staged
JOIN tbmu002_persona AS persona ON persona.curp = staged.curp_actual
JOIN tbmu020_alumno AS alumno USING (id_persona)
WHERE id_estatus_procesamiento = 3;

INSERT INTO tbae009_respuesta (uuid, id_estatus_procesamiento, fecha_respuesta)
SELECT uuid, id_estatus_procesamiento, fecha_actualizacion + interval '1.2 seconds'
FROM tbae001_inscripcion
ORDER BY fecha_actualizacion;

INSERT INTO tbae010_error (id_respuesta, id_motivo_error)
SELECT id_respuesta, 1
FROM tbae009_respuesta
WHERE id_estatus_procesamiento = 4;

ANALYZE;
