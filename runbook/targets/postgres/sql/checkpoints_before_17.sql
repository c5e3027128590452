-- Checkpoints since the statistics were reset, up to PostgreSQL 16. Needs nothing.
SELECT
    checkpoints_timed::bigint AS timed,
    checkpoints_req::bigint AS requested,
    checkpoint_time AS last_at,
    clock_timestamp() AS now,
    stats_reset AS counted_since,
    make_interval(secs => checkpoint_write_time / 1000) AS write_time,
    current_setting('checkpoint_timeout')::interval AS timeout,
    pg_size_bytes(current_setting('max_wal_size')) AS max_wal_size
FROM pg_stat_bgwriter, pg_control_checkpoint()
