-- The limits on connections of the server and of this database, and how many it has. Needs pg_read_all_stats.
SELECT
    current_setting('max_connections')::integer AS max_connections,
    current_setting('superuser_reserved_connections')::integer
        + coalesce(current_setting('reserved_connections', true)::integer, 0) AS reserved,
    count(*) FILTER (WHERE backend_type = 'client backend')::integer AS used,
    count(*) FILTER (WHERE backend_type = 'client backend' AND datname = current_database())::integer AS database_used,
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()) AS database_limit
FROM pg_stat_activity
