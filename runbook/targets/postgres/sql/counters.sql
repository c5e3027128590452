-- What each database has done since its statistics were reset; the nameless one is what all of them share. Needs
-- nothing.
SELECT
    coalesce(datname::text, '') AS database,
    xact_commit::bigint AS commits,
    xact_rollback::bigint AS rollbacks,
    deadlocks::bigint AS deadlocks,
    temp_bytes::bigint AS temp_bytes,
    checksum_failures::bigint AS checksum_failures,
    checksum_last_failure AS checksum_failed_at,
    stats_reset AS counted_since
FROM pg_stat_database
WHERE datname IS DISTINCT FROM 'template0'
ORDER BY 1
