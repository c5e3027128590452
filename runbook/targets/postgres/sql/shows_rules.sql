-- Whether this role is shown pg_hba.conf: the view asks for a right of its own, and for one on the function behind it.
SELECT
    current_user::text AS role,
    has_table_privilege('pg_hba_file_rules', 'SELECT')
        AND has_function_privilege('pg_hba_file_rules()', 'EXECUTE') AS shown
