-- Who logs in, with what the role may beyond its tables; memberships are followed, however far. A superuser who does
-- not log in himself counts too: whoever is a member may become him.
WITH RECURSIVE held AS (
    SELECT member, roleid FROM pg_auth_members
    UNION
    SELECT held.member, above.roleid FROM held JOIN pg_auth_members AS above ON above.member = held.roleid
)
SELECT
    rolname::text AS role,
    rolcanlogin AS logs_in,
    rolsuper AS superuser,
    rolcreaterole AS creates_roles,
    rolcreatedb AS creates_databases,
    rolreplication AS replicates,
    rolbypassrls AS bypasses_policies,
    coalesce(
        (SELECT array_agg(above.rolname::text ORDER BY above.rolname)
        FROM held JOIN pg_roles AS above ON above.oid = held.roleid
        WHERE held.member = pg_roles.oid),
        '{{}}'
    ) AS member_of
FROM pg_roles
WHERE rolcanlogin OR rolsuper
ORDER BY 1
