-- One backend as it is now. Needs pg_read_all_stats, else its state is hidden.
SELECT
    pid,
    backend_start,
    coalesce(backend_type, '') AS backend_type,
    coalesce(usename::text, '') AS role,
    coalesce(application_name, '') AS application,
    coalesce(datname::text, '') AS database,
    coalesce(state, '') AS state,
    state_change AS state_changed_at,
    coalesce(rolsuper, false) AS superuser,
    pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS seen
FROM pg_stat_activity
LEFT JOIN pg_roles ON pg_roles.oid = usesysid
WHERE pid = %(pid)s
