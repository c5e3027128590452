-- Records of one exchange table that were finished in the window, and how long they took.
WITH answered AS MATERIALIZED (
    SELECT uuid, fecha_respuesta
    FROM {responses}
    WHERE id_respuesta >= %(first)s
        AND fecha_respuesta >= %(since)s
        AND id_estatus_procesamiento <> ALL (%(unfinished)s::integer[])
)
SELECT
    count(*)::integer AS finished,
    avg(fecha_respuesta AT TIME ZONE %(zone)s - {moment}) AS mean,
    max(fecha_respuesta AT TIME ZONE %(zone)s - {moment}) AS slowest,
    count(*) FILTER (WHERE {time} IS NULL)::integer AS null_times
FROM answered
JOIN {table} AS staged USING (uuid)
