-- The foreign keys of one column on the exchange and core tables: what they lead to, how much both lose and hold, and
-- the valid B-tree index of all rows that begins with the column, if there is one.
SELECT
    child.relname::text AS "table",
    child.oid::bigint AS table_oid,
    attname::text AS "column",
    parent.relname::text AS parent,
    greatest(child.reltuples, 0)::bigint AS rows,
    child.relpages::bigint * current_setting('block_size')::bigint AS bytes,
    pg_stat_get_tuples_deleted(parent.oid) AS parent_deleted,
    (
        SELECT min(relname::text)
        FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        JOIN pg_am ON pg_am.oid = relam AND amname = 'btree'
        WHERE indrelid = child.oid AND indisvalid AND indpred IS NULL AND indkey[0] = attnum
    ) AS index
FROM pg_constraint
JOIN pg_class AS child ON child.oid = conrelid
JOIN pg_class AS parent ON parent.oid = confrelid
JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
WHERE contype = 'f' AND cardinality(conkey) = 1 AND child.relkind = 'r'
    AND connamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s) AND child.relname ~ '^(tbae|tbmu)'
ORDER BY 1, 3
