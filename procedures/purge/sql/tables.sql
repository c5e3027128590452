-- Every table of a schema that rows lie in, with what a purge must know of it. One row a table; leaves of partitioned
-- tables name their root.
WITH roots AS (
    SELECT c.oid, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relispartition,
           coalesce(pg_partition_root(c.oid)::oid, c.oid) AS root
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relkind = 'r'
)
SELECT
    r.oid::bigint AS oid,
    r.relname AS name,
    root.relname AS root,
    -- of a partition of a partition NULL: its rows go one by one
    (
        SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits WHERE inhrelid = r.oid AND inhparent = r.root
    ) AS bounds,
    (
        SELECT a.attname
        FROM pg_partitioned_table AS p
        JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
        WHERE p.partrelid = r.root AND p.partstrat = 'r' AND p.partnatts = 1
    ) AS parted_by,
    r.relpersistence = 'p' AS persistent,
    row_security_active(r.oid) AS row_security,
    pg_relation_size(r.oid) / current_setting('block_size')::bigint AS blocks,
    pg_total_relation_size(r.oid) AS bytes,
    ARRAY(
        SELECT jsonb_build_array(
            a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, NOT coalesce(l.collisdeterministic, true)
        )
        FROM pg_attribute AS a
        LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
        WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    ) AS columns,
    ARRAY(
        SELECT a.attname::text
        FROM pg_index AS i
        CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE i.indrelid = r.oid AND i.indisprimary AND i.indisvalid AND k.place <= i.indnkeyatts
        ORDER BY k.place
    ) AS key,
    ARRAY(
        SELECT t.tgname::text
        FROM pg_trigger AS t
        WHERE t.tgrelid = r.oid AND NOT t.tgisinternal AND t.tgtype & 8 <> 0 AND t.tgenabled <> 'D'
        ORDER BY 1
    ) AS triggers,
    ARRAY(
        SELECT w.rulename::text FROM pg_rewrite AS w WHERE w.ev_class = r.oid AND w.ev_type = '4' ORDER BY 1
    ) AS rules,
    ARRAY(
        SELECT jsonb_build_object(
            'name', k.conname,
            'schema', child_in.nspname,
            'table', child.relname,
            'columns', (
                SELECT jsonb_agg(a.attname ORDER BY x.place)
                FROM unnest(k.conkey) WITH ORDINALITY AS x(attnum, place)
                JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = x.attnum
            ),
            'referenced', (
                SELECT jsonb_agg(a.attname ORDER BY x.place)
                FROM unnest(k.confkey) WITH ORDINALITY AS x(attnum, place)
                JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = x.attnum
            ),
            'on_delete', CASE k.confdeltype
                WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE'
                WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END,
            'indexed', EXISTS (
                SELECT FROM pg_index AS i
                WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
                    AND (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey
            )
        )
        FROM pg_constraint AS k
        JOIN pg_class AS child ON child.oid = k.conrelid
        JOIN pg_namespace AS child_in ON child_in.oid = child.relnamespace
        WHERE k.contype = 'f' AND k.confrelid IN (r.oid, r.root) AND NOT child.relispartition
        ORDER BY k.conname
    ) AS inbound
FROM roots AS r
JOIN pg_class AS c ON c.oid = r.oid
JOIN pg_class AS root ON root.oid = r.root
ORDER BY root.relname, r.oid
