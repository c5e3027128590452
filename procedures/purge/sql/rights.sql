-- What both identities need for the purge beside the rights on the tables. The schema is also the acting lock's, whose
-- tables the reader has no business with.
SELECT
    ledger.oid IS NULL OR (
        has_schema_privilege(current_user, ledger.oid, 'USAGE') AND NOT EXISTS (
            SELECT FROM pg_class
            WHERE relnamespace = ledger.oid AND relname IN ('purge_run', 'purge_table', 'purge_batch')
            AND NOT has_table_privilege(current_user, pg_class.oid, 'SELECT')
        )
    ) AS reads_ledger,
    CASE
        WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %(operator)s) THEN false
        WHEN ledger.oid IS NULL THEN has_database_privilege(%(operator)s, current_database(), 'CREATE')
        ELSE has_schema_privilege(%(operator)s, ledger.oid, 'CREATE')
    END AS keeps_ledger
FROM (SELECT (SELECT oid FROM pg_namespace WHERE nspname = %(ledger)s) AS oid) AS ledger
