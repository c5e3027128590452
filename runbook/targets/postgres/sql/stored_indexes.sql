-- Every index of the exchange and core tables. `key` holds each column or expression as the server writes it, the
-- other lists its operator class, collation and direction; what an index includes beyond its key is in `included`.
SELECT
    %(schema)s::text AS schema,
    heap.relname::text AS "table",
    entry.relname::text AS name,
    pg_get_indexdef(indexrelid) AS definition,
    amname::text AS method,
    (SELECT array_agg(pg_get_indexdef(indexrelid, n, true) ORDER BY n) FROM generate_series(1, indnkeyatts) AS n) AS key,
    (SELECT array_agg(indclass[n] || '/' || indcollation[n] || '/' || indoption[n] ORDER BY n)
        FROM generate_series(0, indnkeyatts - 1) AS n) AS orders,
    (SELECT coalesce(array_agg(pg_get_indexdef(indexrelid, n, true) ORDER BY n), '{{}}')
        FROM generate_series(indnkeyatts + 1, indnatts) AS n) AS included,
    coalesce(pg_get_expr(indpred, indrelid), '') AS predicate,
    indisvalid AND indisready AS valid,
    indisprimary AS "primary",
    indisunique OR indisexclusion OR EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid) AS enforces,
    indisreplident OR (heap.relreplident = 'd' AND indisprimary) AS identifies,
    entry.relpages::bigint * current_setting('block_size')::bigint AS bytes,
    progress.phase::text AS phase,
    CASE WHEN progress.pid IS NOT NULL THEN
        coalesce(round(100.0 * coalesce(
            nullif(blocks_done, 0)::numeric / nullif(blocks_total, 0),
            nullif(tuples_done, 0)::numeric / nullif(tuples_total, 0)
        ), 1), 0)::float8
    END AS percent
FROM pg_index
JOIN pg_class AS entry ON entry.oid = indexrelid
JOIN pg_class AS heap ON heap.oid = indrelid
JOIN pg_am ON pg_am.oid = entry.relam
LEFT JOIN pg_stat_progress_create_index AS progress
    ON index_relid = indexrelid AND progress.datname = current_database()
WHERE heap.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
    AND heap.relkind = 'r' AND heap.relname ~ '^(tbae|tbmu)' AND indislive
ORDER BY 1, 2
