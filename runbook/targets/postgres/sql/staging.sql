-- How much of one exchange table has outlived the retention. Its time has no index: one full scan.
WITH bounds AS MATERIALIZED (
    SELECT {cutoff} AS cutoff
), aged AS (
    SELECT
        count(*) FILTER (WHERE {time} < (SELECT cutoff FROM bounds))::integer AS overdue,
        min({time}) AS first_time,
        count(*) FILTER (WHERE {time} IS NULL)::integer AS null_times
    FROM {table} AS staged
)
SELECT
    greatest(reltuples, 0)::bigint AS rows,
    pg_total_relation_size(pg_class.oid)::bigint AS bytes,
    overdue,
    {first_moment} AS oldest,
    null_times
FROM aged, pg_class
WHERE pg_class.oid = %(table_oid)s
