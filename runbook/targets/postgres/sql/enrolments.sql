-- The enrolments of the core by status and subsystem, and those that SIGED has not been told of: one scan for both.
SELECT
    id_estatus_inscripcion AS status_id,
    id_subsistema AS subsystem_id,
    count(*)::integer AS records,
    count(*) FILTER (WHERE untold)::integer AS untold,
    clock_timestamp() - (min(fcreacion) FILTER (WHERE untold) AT TIME ZONE %(zone)s) AS oldest_untold
FROM (
    SELECT
        id_estatus_inscripcion,
        id_subsistema,
        fcreacion,
        notificado_siged IS NOT TRUE AND coalesce(activo, 'A') = 'A' AS untold
    FROM {enrolments}
) AS enrolled
GROUP BY 1, 2
ORDER BY 1, 2
