-- The counters of all statements of this database without their texts, which are what takes time to read.
SELECT queryid::text AS id, sum(calls)::bigint AS calls, sum(total_exec_time) AS milliseconds, sum(rows)::bigint AS rows
FROM {counters}(false)
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND userid NOT IN (SELECT oid FROM pg_roles WHERE rolname = ANY (%(own)s))
    AND queryid IS NOT NULL
GROUP BY queryid
