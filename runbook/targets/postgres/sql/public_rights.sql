-- What everybody who logs in may do because it was given to PUBLIC: make things in a schema, touch the tables.
WITH schemas AS (
    SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname IN ('public', %(schema)s)
)
SELECT 'SCHEMA' AS kind, nspname::text AS object, privilege_type AS privilege
FROM schemas, aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
WHERE grantee = 0 AND privilege_type = 'CREATE'
UNION ALL
SELECT 'DATABASE', datname::text, privilege_type
FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
WHERE datname = current_database() AND grantee = 0 AND privilege_type = 'CREATE'
UNION ALL
SELECT DISTINCT 'TABLE', relname::text, privilege_type
FROM pg_class
JOIN schemas ON schemas.oid = relnamespace AND nspname = %(schema)s
LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attacl IS NOT NULL
CROSS JOIN LATERAL (
    SELECT grantee, privilege_type FROM aclexplode(relacl)
    UNION ALL
    SELECT grantee, privilege_type FROM aclexplode(attacl)
) AS granted
WHERE grantee = 0 AND relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY 1, 2, 3
