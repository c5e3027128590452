-- The secondary indexes of a healthy lab. **Production has none of them**: that is what the guide's step
-- "verificar índices" is about. They stand here so that an incident can take one away (`lab break slow-query`).

-- Consolidation looks every record's person up by CURP, one statement a record.
CREATE INDEX tbmu002_persona_curp ON tbmu002_persona (curp);
CREATE INDEX tbmu020_alumno_id_persona ON tbmu020_alumno (id_persona);

-- Consolidation takes the oldest unfinished records (1 RECIBIDO, 2 VALIDADO) of each exchange table.
CREATE INDEX tbae001_inscripcion_pendiente ON tbae001_inscripcion (fecha_actualizacion)
    WHERE id_estatus_procesamiento IN (1, 2);
CREATE INDEX tbae002_bajas_pendiente ON tbae002_bajas (fecha_actualizacion)
    WHERE id_estatus_procesamiento IN (1, 2);
CREATE INDEX tbae005_asistencias_pendiente ON tbae005_asistencias (fecha_actualizacion)
    WHERE id_estatus_procesamiento IN (1, 2);
CREATE INDEX tbae007_calificaciones_pendiente ON tbae007_calificaciones (fecha_actualizacion)
    WHERE id_estatus_procesamiento IN (1, 2);

-- What SIGED has not been told yet: a handful of rows of a table that only grows.
CREATE INDEX tbmu006_inscripcion_sin_notificar ON tbmu006_inscripcion (id_inscripcion)
    WHERE NOT notificado_siged;

-- Deleting from tbae009 looks for children here: without the index each deleted row scans all of tbae010.
CREATE INDEX tbae010_error_id_respuesta ON tbae010_error (id_respuesta);
