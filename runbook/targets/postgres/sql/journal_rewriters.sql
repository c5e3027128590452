-- Which of these roles could rewrite the copy: by a right on the table, as its owner, as a superuser.
SELECT rolname::text AS role
FROM pg_roles, pg_class
WHERE rolname = ANY (%(roles)s) AND pg_class.oid = to_regclass(format('%%I.journal', %(schema)s::text))
AND (
    rolsuper OR pg_has_role(pg_roles.oid, relowner, 'MEMBER')
    OR has_table_privilege(pg_roles.oid, pg_class.oid, 'UPDATE, DELETE, TRUNCATE')
    OR pg_has_role(pg_roles.oid, (SELECT nspowner FROM pg_namespace WHERE pg_namespace.oid = relnamespace), 'MEMBER')
)
