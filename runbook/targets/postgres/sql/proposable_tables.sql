-- The tables that indexes are proposed for, with their size by the planner's estimate and what was written to them
-- since the statistics began. Their age is at least the server's where nobody ever reset them.
SELECT
    relname::text AS "table",
    pg_class.oid::bigint AS table_oid,
    greatest(reltuples, 0)::float8 AS rows,
    relpages::bigint * current_setting('block_size')::bigint AS bytes,
    array_agg(attname::text ORDER BY attnum) AS columns,
    pg_stat_get_tuples_inserted(pg_class.oid) AS inserted,
    pg_stat_get_tuples_updated(pg_class.oid) AS updated,
    pg_stat_get_tuples_hot_updated(pg_class.oid) AS hot_updated,
    extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time()))::float8 AS counted_seconds
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
CROSS JOIN (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()) AS counted
WHERE nspname = %(schema)s AND relkind = 'r' AND relname ~ '^(tbae|tbmu)'
GROUP BY relname, pg_class.oid, reltuples, relpages, stats_reset
