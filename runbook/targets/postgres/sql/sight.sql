-- Sight: one row about the server and what this role is shown of it. Needs nothing.
SELECT
    current_setting('server_version_num')::integer AS server_version,
    pg_is_in_recovery() AS in_recovery,
    pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_other_sessions,
    clock_timestamp() AS now,
    (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
    EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements') AS statements,
    EXISTS (SELECT FROM pg_extension WHERE extname = 'hypopg') AS hypopg
