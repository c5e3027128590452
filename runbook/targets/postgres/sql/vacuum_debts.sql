-- Tables with more dead rows than autovacuum lets them have, by their own options where they have some; the farthest
-- beyond first. Needs nothing.
WITH own AS (
    SELECT
        pg_class.oid,
        nspname,
        relname,
        greatest(reltuples, 0) AS counted,
        pg_stat_get_dead_tuples(pg_class.oid) AS dead,
        (
            SELECT coalesce(jsonb_object_agg(option_name, option_value), '{{}}') FROM pg_options_to_table(reloptions)
        ) AS options
    FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'm', 't') AND nspname !~ '^pg_temp' AND pg_stat_get_dead_tuples(pg_class.oid) > 0
), due AS (
    SELECT
        own.*,
        least(
            coalesce(options ->> 'autovacuum_vacuum_threshold', current_setting('autovacuum_vacuum_threshold'))::float8
            + counted * coalesce(
                options ->> 'autovacuum_vacuum_scale_factor', current_setting('autovacuum_vacuum_scale_factor')
            )::float8,
            nullif(current_setting('autovacuum_vacuum_max_threshold', true), '-1')::float8
        ) AS threshold,
        coalesce(options ->> 'autovacuum_enabled', 'true')::boolean AS enabled
    FROM own
)
SELECT
    nspname::text AS schema,
    due.relname::text AS "table",
    pg_stat_get_live_tuples(oid) AS live,
    dead,
    threshold,
    enabled,
    greatest(pg_stat_get_last_vacuum_time(oid), pg_stat_get_last_autovacuum_time(oid)) AS last
FROM due
WHERE dead > threshold
ORDER BY dead / greatest(threshold, 1) DESC, due.relname
LIMIT 20
