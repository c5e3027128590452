-- Sessions: every backend of the server, longest transaction first. Needs pg_read_all_stats.
-- Who blocks is asked only for those that wait: the answer takes the lock manager's own locks.
WITH waits AS (
    SELECT pid, min(waitstart) AS since FROM pg_locks WHERE NOT granted GROUP BY pid
)
SELECT
    pid,
    backend_start,
    backend_type,
    coalesce(usename::text, '') AS role,
    coalesce(application_name, '') AS application,
    coalesce(host(client_addr), 'local') AS client,
    coalesce(datname::text, '') AS database,
    coalesce(state, '') AS state,
    state_change AS state_changed_at,
    greatest(clock_timestamp() - coalesce(state_change, backend_start), '0') AS since,
    CASE WHEN xact_start IS NOT NULL THEN greatest(clock_timestamp() - xact_start, '0') END AS transaction_age,
    CASE WHEN state = 'active' THEN greatest(clock_timestamp() - query_start, '0') END AS query_age,
    CASE WHEN waits.since IS NOT NULL THEN greatest(clock_timestamp() - waits.since, '0') END AS waiting,
    wait_event_type,
    wait_event,
    CASE WHEN datname = current_database() THEN query ELSE '' END AS query,
    query_id::text AS query_id,
    CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{{}}' END AS blocked_by,
    application_name = %(application)s AND usename = ANY (%(roles)s) AS own
FROM pg_stat_activity
LEFT JOIN waits USING (pid)
WHERE pid <> pg_backend_pid()
ORDER BY xact_start NULLS LAST, backend_start
