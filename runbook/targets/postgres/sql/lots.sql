-- The records of one exchange table that were answered, by subsystem and day of the site's calendar. No index helps:
-- both tables are read from the window's beginning on.
WITH answered AS MATERIALIZED (
    SELECT uuid, max(fecha_respuesta)::date AS day
    FROM {responses}
    WHERE fecha_respuesta >= (now() AT TIME ZONE %(zone)s)::date - %(days)s::integer
        AND id_estatus_procesamiento <> ALL (%(unfinished)s::integer[])
    GROUP BY uuid
)
SELECT
    {subsystem} AS subsystem_id,
    day,
    day = (now() AT TIME ZONE %(zone)s)::date AS today,
    count(*)::integer AS records
FROM answered
JOIN {table} AS staged USING (uuid)
GROUP BY 1, 2
ORDER BY day, subsystem_id
