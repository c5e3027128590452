-- What this role may and may not do, one row a right: kind, object, held. Needs nothing.
WITH schema AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname = %(schema)s
), tables AS (
    SELECT relname, pg_class.oid, relowner
    FROM pg_class
    JOIN schema ON schema.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND relname ~ '^(tbae|tbmu|ctmu)'
)
SELECT 'member' AS kind, rolname::text AS object, pg_has_role(current_user, oid, 'USAGE') AS held
FROM pg_roles
WHERE rolname IN ('pg_monitor', 'pg_signal_backend')
UNION ALL
SELECT 'temporary', current_database()::text, has_database_privilege(current_database(), 'TEMPORARY')
UNION ALL
SELECT 'schema', %(schema)s, EXISTS (SELECT FROM schema)
UNION ALL
SELECT 'usage', nspname::text, has_schema_privilege(oid, 'USAGE') FROM schema
UNION ALL
SELECT 'no create', nspname::text, NOT has_schema_privilege(oid, 'CREATE') FROM schema
UNION ALL
SELECT 'select', %(schema)s, bool_and(has_table_privilege(oid, 'SELECT')) FROM tables HAVING count(*) > 0
UNION ALL
SELECT 'sequences', %(schema)s, bool_and(has_sequence_privilege(pg_class.oid, 'SELECT'))
FROM pg_class
JOIN schema ON schema.oid = relnamespace
WHERE relkind = 'S'
HAVING count(*) > 0
UNION ALL
SELECT 'no write', %(schema)s, NOT bool_or(has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
FROM tables
HAVING count(*) > 0
UNION ALL
SELECT 'owner', pg_get_userbyid(relowner)::text, bool_and(pg_has_role(current_user, relowner, 'USAGE'))
FROM tables
GROUP BY relowner
UNION ALL
SELECT 'no superuser', current_user::text, NOT rolsuper FROM pg_roles WHERE rolname = current_user
UNION ALL
SELECT 'extension', name, EXISTS (SELECT FROM pg_extension WHERE extname = name)
FROM unnest(ARRAY['pg_stat_statements', 'hypopg']) AS name
