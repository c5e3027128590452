-- A table as the operator finds it, and whether the operator may build indexes on it and analyse it.
SELECT
    pg_class.oid::bigint AS table_oid,
    pg_get_userbyid(relowner)::text AS owner,
    current_user::text AS operator,
    pg_has_role(current_user, relowner, 'USAGE') AS owned,
    has_schema_privilege(relnamespace, 'CREATE') AS may_create,
    greatest(
        pg_stat_get_last_analyze_time(pg_class.oid), pg_stat_get_last_autoanalyze_time(pg_class.oid)
    ) AS last_analyze
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = %(schema)s AND relname = %(table)s AND relkind IN ('r', 'p')
