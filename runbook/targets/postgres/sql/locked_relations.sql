-- Tables of this database that these backends hold or await a lock on, leaving out what plain reading takes.
SELECT DISTINCT pid, relname::text AS relation
FROM pg_locks
JOIN pg_class ON pg_class.oid = relation
WHERE pid = ANY (%(pids)s)
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relkind IN ('r', 'p', 'm')
    AND relnamespace <> 'pg_catalog'::regnamespace
    AND (NOT granted OR mode <> 'AccessShareLock')
ORDER BY pid, relation
