-- One exchange table over a window: how many records were finished in each interval, and how many of those that were
-- finished in it or wait now had come by each interval's beginning. ``ago`` 0 is the newest interval; what came before
-- the window, and what has no time, counts at its beginning. Without an index on the status this reads the whole table.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), answered AS MATERIALIZED (
    SELECT uuid, fecha_respuesta
    FROM {responses}
    WHERE id_respuesta >= %(first)s
        AND fecha_respuesta >= %(since)s
        AND id_estatus_procesamiento <> ALL (%(unfinished)s::integer[])
), moments AS (
    SELECT {moment} AS came, fecha_respuesta AT TIME ZONE %(zone)s AS finished
    FROM answered
    JOIN {table} AS staged USING (uuid)
    UNION ALL
    SELECT {moment}, NULL
    FROM {table} AS staged
    WHERE id_estatus_procesamiento = ANY (%(unfinished)s::integer[])
), events AS (
    SELECT 'came' AS kind, came AS at FROM moments
    UNION ALL
    SELECT 'finished', finished FROM moments WHERE finished IS NOT NULL
)
SELECT
    kind,
    CASE
        WHEN at IS NULL THEN %(intervals)s
        ELSE least(greatest(floor(extract(epoch FROM now - at) / %(seconds)s), 0), %(intervals)s)
    END::integer AS ago,
    count(*)::integer AS records
FROM events, clock
GROUP BY 1, 2
