-- Whether autovacuum works at all, with how many workers, and since when dead rows are counted. Needs nothing.
SELECT
    current_setting('autovacuum')::boolean AS enabled,
    current_setting('track_counts')::boolean AS counted,
    current_setting('autovacuum_max_workers')::integer AS most_workers,
    pg_is_in_recovery() AS in_recovery,
    (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()) AS counted_since
