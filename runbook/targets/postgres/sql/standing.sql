-- What stands in one exchange table, by status and subsystem: one scan answers for the rows of all its records.
WITH daily AS (
    SELECT
        id_estatus_procesamiento AS status_id,
        {subsystem} AS subsystem_id,
        {day} AS day,
        count(*) AS records,
        count(*) FILTER (WHERE {time} IS NULL) AS null_times,
        min({time}) AS first_time,
        max({time}) AS last_time
    FROM {table} AS staged
    GROUP BY 1, 2, 3
)
SELECT
    status_id,
    subsystem_id,
    sum(records)::integer AS records,
    sum(null_times)::integer AS null_times,
    clock_timestamp() - {first_moment} AS oldest,
    clock_timestamp() - {last_moment} AS newest,
    coalesce(array_agg(DISTINCT day) FILTER (WHERE day IS NOT NULL), '{{}}') AS days
FROM daily
GROUP BY 1, 2
ORDER BY 1, 2
