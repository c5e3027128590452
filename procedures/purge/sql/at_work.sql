-- Whether somebody holds the purge's advisory lock in this database.
SELECT EXISTS (
    SELECT FROM pg_locks
    JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE datname = current_database() AND locktype = 'advisory' AND granted
        AND classid::bigint = %(first)s AND objid::bigint = %(second)s AND objsubid = 2
) AS at_work
