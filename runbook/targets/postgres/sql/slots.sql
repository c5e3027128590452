-- Replication slots and the WAL that is kept for them. What only newer versions tell is read through JSON, so that the
-- statement is one. Needs pg_read_all_stats.
WITH here AS (
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS lsn
)
SELECT
    slot_name::text AS name,
    slot_type AS kind,
    coalesce(database::text, '') AS database,
    active,
    active_pid AS pid,
    coalesce(wal_status, '') AS wal_status,
    CASE WHEN restart_lsn IS NOT NULL THEN greatest(lsn - restart_lsn, 0) END::bigint AS kept_bytes,
    safe_wal_size AS safe_bytes,
    greatest(age(xmin), age(catalog_xmin)) AS xmin_age,
    clock_timestamp() - (to_jsonb(slots) ->> 'inactive_since')::timestamptz AS inactive_for,
    coalesce(to_jsonb(slots) ->> 'invalidation_reason', '') AS reason
FROM pg_replication_slots AS slots, here
ORDER BY kept_bytes DESC NULLS LAST, name
