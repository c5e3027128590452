-- The archive of the WAL: whether this server keeps one, what waits for it, and how it went. Needs pg_monitor.
SELECT
    CASE current_setting('archive_mode') WHEN 'always' THEN true WHEN 'on' THEN NOT pg_is_in_recovery() ELSE false END
        AS enabled,
    last_archived_time AS last_archived_at,
    failed_count::bigint AS failed,
    coalesce(last_failed_wal, '') AS last_failed,
    last_failed_time AS last_failed_at,
    (SELECT count(*)::integer FROM pg_ls_archive_statusdir() WHERE name LIKE '%%.ready') AS ready,
    pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes
FROM pg_stat_archiver
