-- The records of one exchange table that were answered, by subsystem and day of the site's calendar; one that was
-- answered twice counts twice. No index helps: both tables are read whole.
SELECT
    {subsystem} AS subsystem_id,
    fecha_respuesta::date AS day,
    fecha_respuesta::date = (now() AT TIME ZONE %(zone)s)::date AS today,
    count(*)::integer AS records
FROM {responses} AS answered
JOIN {table} AS staged USING (uuid)
WHERE fecha_respuesta >= (now() AT TIME ZONE %(zone)s)::date - %(days)s::integer
    AND answered.id_estatus_procesamiento <> ALL (%(unfinished)s::integer[])
GROUP BY 1, 2
ORDER BY day, subsystem_id
