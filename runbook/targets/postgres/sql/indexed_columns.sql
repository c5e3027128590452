-- The valid, whole (not partial) B-tree indexes of some tables: each one's columns in order. An index on an
-- expression ends at it (its key is 0; the subscripts of indkey begin at 0).
SELECT
    indrelid::bigint AS table_oid,
    pg_class.relname::text AS index,
    array_agg(attname::text ORDER BY place) AS columns
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
JOIN pg_am ON pg_am.oid = relam AND amname = 'btree'
CROSS JOIN LATERAL unnest(indkey::smallint[]) WITH ORDINALITY AS key (attnum, place)
JOIN pg_attribute ON attrelid = indrelid AND pg_attribute.attnum = key.attnum
WHERE indrelid = ANY (%(tables)s::oid[]) AND indisvalid AND indpred IS NULL AND place <= indnkeyatts
    AND place <= coalesce(array_position(indkey::smallint[], 0::smallint), 99)
GROUP BY indrelid, pg_class.relname
