-- Where a window begins: its first moment in the site's local time, and a key at or before the first response in it.
-- fecha_respuesta has no index, its key has, and both grow together: so the newest responses are read block by block
-- until a whole block lies before the window. A block takes in the disorder of batches that commit late.
WITH RECURSIVE moment AS (
    SELECT (now() - %(window)s) AT TIME ZONE %(zone)s AS since
), block AS (
    (
        SELECT min(id_respuesta) AS first, bool_or(fecha_respuesta >= (SELECT since FROM moment)) AS recent
        FROM (
            SELECT id_respuesta, fecha_respuesta FROM {responses} ORDER BY id_respuesta DESC LIMIT %(block)s
        ) AS newest
    )
    UNION ALL
    SELECT earlier.first, earlier.recent
    FROM block
    CROSS JOIN LATERAL (
        SELECT min(id_respuesta) AS first, bool_or(fecha_respuesta >= (SELECT since FROM moment)) AS recent
        FROM (
            SELECT id_respuesta, fecha_respuesta FROM {responses}
            WHERE id_respuesta < block.first
            ORDER BY id_respuesta DESC LIMIT %(block)s
        ) AS older
    ) AS earlier
    WHERE block.recent
)
SELECT (SELECT since FROM moment) AS since, coalesce(min(first), 0)::bigint AS first FROM block
