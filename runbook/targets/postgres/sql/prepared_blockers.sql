-- Which prepared transactions hold what these backends wait for. They have no session: the server names them all 0.
-- Modes that get on with each other are left out. A prepared transaction holds a lock on its own number, under the same
-- virtual transaction as all that it holds. Needs nothing.
WITH conflicts (wanted, refused) AS (
    VALUES
        ('AccessShareLock', ARRAY['AccessExclusiveLock']),
        ('RowShareLock', ARRAY['ExclusiveLock', 'AccessExclusiveLock']),
        ('RowExclusiveLock', ARRAY[
            'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']),
        ('ShareUpdateExclusiveLock', ARRAY[
            'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']),
        ('ShareLock', ARRAY[
            'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
            'AccessExclusiveLock']),
        ('ShareRowExclusiveLock', ARRAY[
            'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
            'AccessExclusiveLock']),
        ('ExclusiveLock', ARRAY[
            'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
            'ExclusiveLock', 'AccessExclusiveLock']),
        ('AccessExclusiveLock', ARRAY[
            'AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
            'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'])
), held AS (
    SELECT * FROM pg_locks WHERE pid IS NULL AND granted
)
SELECT DISTINCT
    waiting.pid,
    gid,
    owner::text AS role,
    prepared.database::text AS database,
    prepared AS prepared_at,
    greatest(clock_timestamp() - prepared, '0') AS age,
    pg_class.relname::text AS relation
FROM pg_locks AS waiting
JOIN conflicts ON wanted = waiting.mode
JOIN held ON held.locktype = waiting.locktype
    AND held.mode = ANY (refused)
    AND held.database IS NOT DISTINCT FROM waiting.database
    AND held.relation IS NOT DISTINCT FROM waiting.relation
    AND held.page IS NOT DISTINCT FROM waiting.page
    AND held.tuple IS NOT DISTINCT FROM waiting.tuple
    AND held.virtualxid IS NOT DISTINCT FROM waiting.virtualxid
    AND held.transactionid IS NOT DISTINCT FROM waiting.transactionid
    AND held.classid IS NOT DISTINCT FROM waiting.classid
    AND held.objid IS NOT DISTINCT FROM waiting.objid
    AND held.objsubid IS NOT DISTINCT FROM waiting.objsubid
JOIN held AS own ON own.locktype = 'transactionid' AND own.virtualtransaction = held.virtualtransaction
JOIN pg_prepared_xacts AS prepared ON prepared.transaction = own.transactionid
LEFT JOIN pg_class
    ON pg_class.oid = waiting.relation
    AND waiting.database = (SELECT oid FROM pg_database WHERE datname = current_database())
WHERE NOT waiting.granted AND waiting.pid = ANY (%(pids)s)
