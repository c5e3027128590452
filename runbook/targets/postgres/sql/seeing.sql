-- Seeing: whether this role is shown other roles' sessions and statements, where the extensions live, and whether
-- it may make temporary tables.
SELECT
    current_user::text AS role,
    pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees,
    pg_is_in_recovery() AS in_recovery,
    has_database_privilege(current_database(), 'TEMPORARY') AS may_use_temporary,
    max(nspname::text) FILTER (WHERE extname = 'pg_stat_statements') AS statements_schema,
    max(nspname::text) FILTER (WHERE extname = 'hypopg') AS hypopg_schema
FROM pg_extension
JOIN pg_namespace ON pg_namespace.oid = extnamespace
