-- An index as the operator finds it. One that is being built now is not valid either, and is somebody's.
SELECT
    pg_class.oid::bigint AS index_oid,
    indrelid::regclass::text AS indexed,
    pg_get_userbyid(relowner)::text AS owner,
    current_user::text AS operator,
    pg_has_role(current_user, relowner, 'USAGE') AS owned,
    indisvalid AS valid,
    indisunique OR EXISTS (SELECT FROM pg_constraint WHERE conindid = pg_class.oid) AS enforces,
    EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = pg_class.oid) AS building,
    pg_relation_size(pg_class.oid)::bigint AS bytes,
    pg_get_indexdef(pg_class.oid) AS definition  -- to have it back
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = %(schema)s AND relname = %(name)s
