-- The values of the catalogues that records refer to, each by its table's name. 'A' is active.
SELECT
    'ctmu011_estatus_procesamiento' AS catalogue,
    id_estatus_procesamiento AS id,
    coalesce(descripcion, '') AS name,
    activo IS NOT DISTINCT FROM 'A' AS active
FROM {statuses}
UNION ALL
SELECT 'ctmu009_subsistema', id_subsistema, coalesce(descripcion, ''), activo IS NOT DISTINCT FROM 'A'
FROM {subsystems}
UNION ALL
SELECT 'ctmu008_motivo_error', id_motivo_error, coalesce(descripcion, ''), activo IS NOT DISTINCT FROM 'A'
FROM {motives}
UNION ALL
SELECT 'ctmu014_estatus_inscripcion', id_estatus_inscripcion, coalesce(descripcion, ''), activo IS NOT DISTINCT FROM 'A'
FROM {enrolment_statuses}
ORDER BY 1, 2
