-- One row if the epoch is still ours and so is the advisory lock of the very session that asks; else none.
UPDATE {schema}.acting SET proven_at = clock_timestamp()
WHERE epoch = %(epoch)s AND EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = %(ours)s::oid AND objid = %(acting)s::oid
)
RETURNING epoch
