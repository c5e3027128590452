-- The server's statistics of every table of the schema, those read most by scans first. Sizes come from the
-- catalogue: asking the files would wait behind whoever has locked a table.
SELECT
    stats.relname::text AS "table",
    stats.relid::bigint AS table_oid,
    n_live_tup AS live_rows,
    n_mod_since_analyze AS modified_since_analyze,
    greatest(last_analyze, last_autoanalyze) AS last_analyze,
    seq_scan AS sequential_scans,
    seq_tup_read AS rows_read_sequentially,
    (
        SELECT coalesce(sum(relpages), 0) * current_setting('block_size')::bigint
        FROM pg_class
        WHERE oid IN (stats.relid, heap.reltoastrelid)
            OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = stats.relid)
    )::bigint AS bytes
FROM pg_stat_user_tables AS stats
JOIN pg_class AS heap ON heap.oid = stats.relid
WHERE schemaname = %(schema)s
ORDER BY seq_tup_read DESC, stats.relname
