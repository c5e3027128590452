-- The records of one exchange table that were answered in the window, by subsystem, in all and by motive of error.
-- Motives that are mere warnings are left out; a record with two motives counts with each, once in all.
WITH answered AS MATERIALIZED (
    SELECT id_respuesta, uuid
    FROM {responses}
    WHERE id_respuesta >= %(first)s
        AND fecha_respuesta >= %(since)s
        AND id_estatus_procesamiento <> ALL (%(unfinished)s::integer[])
), failed AS (
    SELECT id_respuesta, id_motivo_error
    FROM {errors}
    JOIN {motives} USING (id_motivo_error)
    WHERE id_respuesta >= %(first)s AND tipo_error = 1
)
SELECT
    {subsystem} AS subsystem_id,
    id_motivo_error AS motive_id,
    count(DISTINCT id_respuesta)::integer AS records
FROM answered
JOIN {table} AS staged USING (uuid)
LEFT JOIN failed USING (id_respuesta)
GROUP BY GROUPING SETS ((1), (1, 2))
HAVING grouping(id_motivo_error) = 1 OR id_motivo_error IS NOT NULL
ORDER BY 1, 2
