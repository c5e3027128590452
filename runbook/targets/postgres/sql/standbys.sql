-- Those that follow this server, and how far behind they are. Needs pg_read_all_stats.
WITH here AS (
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS lsn
)
SELECT
    coalesce(application_name, '') AS application,
    coalesce(host(client_addr), 'local') AS client,
    coalesce(state, '') AS state,
    coalesce(sync_state, '') AS sync_state,
    coalesce(slot_name::text, '') AS slot,
    CASE WHEN sent_lsn IS NOT NULL THEN greatest(lsn - sent_lsn, 0) END::bigint AS sent_bytes,
    CASE WHEN flush_lsn IS NOT NULL THEN greatest(lsn - flush_lsn, 0) END::bigint AS flush_bytes,
    CASE WHEN replay_lsn IS NOT NULL THEN greatest(lsn - replay_lsn, 0) END::bigint AS replay_bytes,
    flush_lag,
    replay_lag,
    age(backend_xmin) AS xmin_age
FROM here, pg_stat_replication AS standby
LEFT JOIN pg_replication_slots AS slots ON active_pid = standby.pid
ORDER BY replay_bytes DESC NULLS LAST, application
