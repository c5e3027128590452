-- Vacuums at work in the whole server, how far they are, and whom they wait for. Needs pg_read_all_stats.
SELECT
    activity.pid,
    coalesce(activity.datname::text, '') AS database,
    coalesce(pg_class.relname::text, '') AS "table",
    backend_type <> 'autovacuum worker' AS manual,
    coalesce(phase, '') AS phase,
    (100.0 * heap_blks_scanned / nullif(heap_blks_total, 0))::float8 AS percent,
    CASE WHEN xact_start IS NOT NULL THEN greatest(clock_timestamp() - xact_start, '0') END AS since,
    concat_ws(':', wait_event_type, wait_event) AS wait,
    CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(activity.pid) ELSE '{{}}' END AS blocked_by
FROM pg_stat_activity AS activity
LEFT JOIN pg_stat_progress_vacuum AS progress USING (pid)
LEFT JOIN LATERAL (
    SELECT coalesce(
        progress.relid, (SELECT relation FROM pg_locks WHERE pg_locks.pid = activity.pid AND NOT granted LIMIT 1)
    ) AS relation
) AS worked ON true
LEFT JOIN pg_class ON pg_class.oid = worked.relation AND activity.datname = current_database()
WHERE backend_type = 'autovacuum worker' OR progress.pid IS NOT NULL
ORDER BY since DESC NULLS LAST
