-- The locks that these backends wait for, one row a backend: what, in which mode, and the table where it is one of ours.
SELECT DISTINCT ON (pid)
    pid,
    locktype AS kind,
    mode,
    coalesce(relname::text, '') AS relation
FROM pg_locks
LEFT JOIN pg_class
    ON pg_class.oid = relation AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
WHERE NOT granted AND pid = ANY (%(pids)s)
ORDER BY pid, waitstart NULLS LAST
