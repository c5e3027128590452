-- Statements of this database by their total time since the statistics were reset, without our own.
-- Needs pg_read_all_stats, else other roles' texts are hidden.
SELECT
    queryid::text AS id,
    min(query) AS query,
    sum(calls)::bigint AS calls,
    sum(total_exec_time) AS milliseconds,
    sum(rows)::bigint AS rows
FROM {statements}
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND userid NOT IN (SELECT oid FROM pg_roles WHERE rolname = ANY (%(own)s))
    AND queryid IS NOT NULL
    AND (%(ids)s::text[] IS NULL OR queryid::text = ANY (%(ids)s::text[]))
GROUP BY queryid
ORDER BY milliseconds DESC
LIMIT %(most)s
