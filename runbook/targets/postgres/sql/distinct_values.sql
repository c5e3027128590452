-- How many values each column of a table has, by the planner's statistics; a share of the rows is made a number.
SELECT attname::text AS "column", CASE WHEN n_distinct < 0 THEN -n_distinct * %(rows)s ELSE n_distinct END AS "values"
FROM pg_stats
WHERE schemaname = %(schema)s AND tablename = %(table)s
