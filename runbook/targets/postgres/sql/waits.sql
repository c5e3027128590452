-- What the sessions at work wait for at this moment, counted by application, role, wait and statement; ours left out.
-- A worker of a parallel statement counts for itself: it takes a core too. Needs pg_read_all_stats.
SELECT
    CASE WHEN backend_type = 'autovacuum worker' THEN backend_type ELSE coalesce(application_name, '') END
        AS application,
    coalesce(usename::text, '') AS role,
    coalesce(wait_event_type, 'CPU') AS kind,
    coalesce(wait_event, '') AS event,
    CASE WHEN datname = current_database() THEN query ELSE '' END AS query,
    state = 'disabled' AS hidden,
    count(*)::integer AS sessions
FROM pg_stat_activity
WHERE state IN ('active', 'fastpath function call', 'disabled')
    AND backend_type IN ('client backend', 'parallel worker', 'autovacuum worker')
    AND pid <> pg_backend_pid()
    AND NOT (coalesce(application_name, '') = %(application)s AND usename = ANY (%(roles)s))
GROUP BY 1, 2, 3, 4, 5, 6
