-- How often each index was used on this server, and for how long that has been counted: at least since the server
-- started where nobody ever reset it.
SELECT
    indexrelname::text AS name,
    idx_scan AS scans,
    extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time()))::float8 AS seconds
FROM pg_stat_user_indexes
CROSS JOIN (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()) AS counted
WHERE schemaname = %(schema)s AND relname ~ '^(tbae|tbmu)'
