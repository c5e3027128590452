-- The tables that indexes are proposed for, with their size by the planner's estimate.
SELECT
    relname::text AS "table",
    pg_class.oid::bigint AS table_oid,
    greatest(reltuples, 0)::float8 AS rows,
    relpages AS pages,
    array_agg(attname::text ORDER BY attnum) AS columns
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
WHERE nspname = %(schema)s AND relkind = 'r' AND relname ~ '^(tbae|tbmu)'
GROUP BY relname, pg_class.oid, reltuples, relpages
