-- Unfinished records of one exchange table by subsystem, with the first and the last time among them. A full scan
-- where the status has no index.
SELECT
    id_subsistema AS subsystem_id,
    coalesce(descripcion, '') AS subsystem,
    waiting,
    {first_moment} AS first_at,
    {last_moment} AS last_at
FROM (
    SELECT
        {subsystem} AS id_subsistema,
        count(*)::integer AS waiting,
        min({time}) AS first_time,
        max({time}) AS last_time
    FROM {table} AS staged
    WHERE id_estatus_procesamiento = ANY (%(unfinished)s::integer[])
    GROUP BY 1
) AS unfinished
LEFT JOIN {subsystems} AS subsystems USING (id_subsistema)
ORDER BY waiting DESC, id_subsistema
