-- Every table of a schema by the name that people know, partitions added up. Sizes are with indexes and TOAST.
SELECT
    root.relname::text AS "table",
    coalesce(sum(greatest(leaf.reltuples, 0)), 0)::bigint AS rows,
    coalesce(sum(pg_total_relation_size(leaf.oid)), 0)::bigint AS bytes
FROM pg_class AS root
JOIN pg_namespace AS n ON n.oid = root.relnamespace
JOIN pg_class AS leaf
    ON leaf.relkind = 'r' AND coalesce(pg_partition_root(leaf.oid)::oid, leaf.oid) = root.oid
WHERE n.nspname = %(schema)s AND root.relkind IN ('r', 'p') AND NOT root.relispartition
GROUP BY root.relname
ORDER BY root.relname
