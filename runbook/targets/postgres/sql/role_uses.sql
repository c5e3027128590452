-- Connections by role and application, and each role's limit; a role named in the settings shows with none too.
-- Needs pg_read_all_stats.
SELECT
    rolname::text AS role,
    nullif(rolconnlimit, -1) AS "limit",
    coalesce(application_name, '') AS application,
    count(pid)::integer AS used,
    count(pid) FILTER (WHERE state = 'idle')::integer AS idle,
    count(pid) FILTER (WHERE state IN ('active', 'fastpath function call'))::integer AS active,
    count(pid) FILTER (WHERE state LIKE 'idle in transaction%%')::integer AS idle_in_transaction
FROM pg_roles
LEFT JOIN pg_stat_activity ON usesysid = pg_roles.oid AND backend_type = 'client backend'
WHERE pid IS NOT NULL OR rolname = ANY (%(roles)s)
GROUP BY rolname, rolconnlimit, application_name
ORDER BY rolname, used DESC
