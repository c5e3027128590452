-- How much of each large table of the schema is room that its rows do not need, by an estimate: the rows and their mean
-- width, from the planner's statistics, against the pages that there are. A table of which a column has no statistics
-- has no estimate: nobody analysed it since, or this role may not read it. Needs SELECT on the tables.
WITH large AS (
    SELECT
        pg_class.oid,
        nspname,
        relname,
        relpages,
        reltuples,
        -- a file is only asked where nobody has counted: the question waits behind whoever locks the table
        CASE WHEN reltuples < 0 THEN pg_relation_size(pg_class.oid) ELSE relpages * block END AS bytes,
        block,
        coalesce(
            (SELECT option_value::float8 FROM pg_options_to_table(reloptions) WHERE option_name = 'fillfactor'), 100
        ) / 100 AS fill
    FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    CROSS JOIN (SELECT current_setting('block_size')::float8 AS block) AS server
    WHERE relkind IN ('r', 'm') AND nspname = %(schema)s
    ORDER BY bytes DESC
    LIMIT %(most)s
), wide AS (
    SELECT
        large.*,
        -- header and line pointer, the bitmap of nulls, the data, padded to eight bytes
        28 + ceil((
            coalesce(sum((1 - null_frac) * avg_width), 0) + CASE WHEN max(null_frac) > 0 THEN count(*) / 8.0 ELSE 0 END
        ) / 8) * 8 AS width,
        count(attname) = (
            SELECT count(*) FROM pg_attribute WHERE attrelid = large.oid AND attnum > 0 AND NOT attisdropped
        ) AS known
    FROM large
    LEFT JOIN pg_stats ON schemaname = nspname AND tablename = relname AND NOT inherited
    WHERE bytes >= %(bytes)s
    GROUP BY large.oid, nspname, relname, relpages, reltuples, bytes, block, fill
)
SELECT
    relname::text AS "table",
    bytes::bigint AS bytes,
    CASE
        WHEN known AND reltuples >= 0
        THEN greatest(0, (relpages - ceil(reltuples * width / ((block - 24) * fill))) * block)::bigint
    END AS spare_bytes
FROM wide
ORDER BY spare_bytes DESC NULLS LAST, bytes DESC
