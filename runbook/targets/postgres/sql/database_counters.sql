-- What this database has done since its statistics were reset, and where the WAL stands. Needs nothing.
SELECT
    clock_timestamp() AS now,
    xact_commit::bigint AS commits,
    xact_rollback::bigint AS rollbacks,
    blks_hit::bigint AS blocks_hit,
    blks_read::bigint AS blocks_read,
    temp_files::bigint AS temp_files,
    temp_bytes::bigint AS temp_bytes,
    (
        CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_insert_lsn() END - '0/0'
    )::bigint AS wal_bytes,
    stats_reset AS counted_since
FROM pg_stat_database
WHERE datname = current_database()
