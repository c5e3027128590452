-- The sequences of the schema that have used more than a share of their numbers, the fullest first, how many there
-- are and how many of them hide from us. What a column of a smaller type can hold ends a sequence before its own end.
-- A sequence that begins anew at its end has none. Needs SELECT or USAGE on them.
WITH sequences AS (
    SELECT
        relname::text AS name,
        seqrelid,
        has_sequence_privilege(seqrelid, 'SELECT, USAGE') AS visible,
        seqincrement,
        seqmin,
        seqmax,
        CASE atttypid WHEN 'smallint'::regtype THEN 32767 WHEN 'integer'::regtype THEN 2147483647 END AS column_max
    FROM pg_sequence
    JOIN pg_class ON pg_class.oid = seqrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    LEFT JOIN pg_depend
        ON classid = 'pg_class'::regclass AND objid = seqrelid AND deptype IN ('a', 'i') AND refobjsubid > 0
    LEFT JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
    WHERE NOT seqcycle AND nspname = %(schema)s
), read AS (
    SELECT *, CASE WHEN visible THEN pg_sequence_last_value(seqrelid) END AS last
    FROM sequences
), ends AS (
    SELECT *, CASE WHEN seqincrement > 0 THEN least(seqmax, column_max) ELSE seqmax END AS most
    FROM read
), filled AS (
    SELECT
        *,
        100 * CASE
            WHEN seqincrement > 0 THEN (last::numeric - seqmin + 1) / (most::numeric - seqmin + 1)
            ELSE (seqmax::numeric - last + 1) / (seqmax::numeric - seqmin + 1)
        END AS percent
    FROM ends
)
SELECT
    (SELECT count(*)::integer FROM filled) AS count,
    coalesce((SELECT array_agg(name ORDER BY name) FROM filled WHERE NOT visible), '{{}}') AS hidden,
    coalesce((
        SELECT jsonb_agg(
            jsonb_build_object(
                'name', name,
                'percent', percent::float8,
                'left', CASE WHEN seqincrement > 0 THEN (most - last) / seqincrement ELSE (last - seqmin) / -seqincrement END,
                'narrow', coalesce(column_max < seqmax, false)
            )
            ORDER BY percent DESC
        )
        FROM filled
        WHERE percent >= %(least)s
    ), '[]') AS fullest
