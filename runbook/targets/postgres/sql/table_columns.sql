-- Columns of the named tables of a schema, in their order; a name that is no table gives no row.
SELECT relname::text AS "table", pg_class.oid::bigint AS table_oid, attname::text AS "column", typname::text AS type
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
JOIN pg_type ON pg_type.oid = atttypid
WHERE nspname = %(schema)s AND relkind IN ('r', 'p') AND relname = ANY (%(tables)s)
ORDER BY relname, attnum
