-- The server and what it shows of its sessions, its archive and its files. The longest waits and transactions are of
-- client sessions other than ours, only to tell whether a closer look is worth it. Needs pg_monitor.
SELECT
    current_setting('server_version_num')::integer AS version,
    current_setting('server_version') AS version_name,
    pg_postmaster_start_time() AS started_at,
    clock_timestamp() AS now,
    pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees,
    current_user::text AS role,
    current_setting('data_checksums')::boolean AS checksums,
    (
        SELECT greatest(clock_timestamp() - min(waitstart), '0') FROM pg_locks WHERE NOT granted
    ) AS longest_wait,
    greatest(clock_timestamp() - min(xact_start), '0') AS oldest_transaction,
    greatest(
        clock_timestamp() - min(state_change) FILTER (WHERE state LIKE 'idle in transaction%%'), '0'
    ) AS longest_idle
FROM pg_stat_activity
WHERE backend_type = 'client backend'
    AND pid <> pg_backend_pid()
    AND NOT (application_name = %(application)s AND usename = ANY (%(roles)s))
