-- Prepared transactions of the whole server, the oldest first. Needs nothing.
SELECT gid, owner::text AS role, database::text AS database, greatest(clock_timestamp() - prepared, '0') AS age
FROM pg_prepared_xacts
ORDER BY prepared
