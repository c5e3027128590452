-- The values of the catalogues that records refer to. 'A' is active.
SELECT 'status' AS catalogue, id_estatus_procesamiento AS id, coalesce(descripcion, '') AS name, activo = 'A' AS active
FROM {statuses}
UNION ALL
SELECT 'subsystem', id_subsistema, coalesce(descripcion, ''), activo = 'A' FROM {subsystems}
UNION ALL
SELECT 'motive', id_motivo_error, coalesce(descripcion, ''), activo = 'A' FROM {motives}
UNION ALL
SELECT 'enrolment status', id_estatus_inscripcion, coalesce(descripcion, ''), activo = 'A' FROM {enrolment_statuses}
ORDER BY 1, 2
