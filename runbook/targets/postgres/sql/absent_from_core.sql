-- Of the records of one exchange table that were answered as consolidated in the window, those whose student has
-- nothing in the core. No key leads there: the CURP does. Each table is read once, in whatever order is cheapest.
WITH answered AS MATERIALIZED (
    SELECT DISTINCT uuid
    FROM {responses}
    WHERE id_respuesta >= %(first)s
        AND fecha_respuesta BETWEEN %(since)s AND (now() AT TIME ZONE %(zone)s) - %(settle)s::interval
        AND id_estatus_procesamiento = ANY (%(consolidated)s::integer[])
), consolidated AS MATERIALIZED (
    SELECT uuid, {curp} AS curp, {subsystem} AS subsystem_id
    FROM answered
    JOIN {table} AS staged USING (uuid)
    WHERE staged.id_estatus_procesamiento = ANY (%(consolidated)s::integer[])
), absent AS (
    SELECT uuid
    FROM consolidated
    WHERE NOT EXISTS ({core})
)
SELECT
    (SELECT count(*)::integer FROM consolidated) AS answered,
    count(*)::integer AS absent,
    coalesce((array_agg(uuid))[1:5], '{{}}') AS sample
FROM absent
