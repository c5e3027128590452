-- The advisory lock, which is the session's, and whether the table of the epoch is there. A standby gives no lock.
SELECT
    NOT pg_is_in_recovery() AND pg_try_advisory_lock(%(ours)s, %(acting)s) AS taken,
    pg_is_in_recovery() AS standby,
    to_regnamespace(quote_ident(%(schema)s)) IS NOT NULL AS schema_there,
    to_regclass(format('%%I.acting', %(schema)s::text)) IS NOT NULL AS table_there,
    to_regclass(format('%%I.attempt', %(schema)s::text)) IS NOT NULL AS attempts_there
