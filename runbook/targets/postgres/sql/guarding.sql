-- How the server guards itself, as far as everybody is told.
SELECT
    current_setting('ssl')::boolean AS ssl,
    current_setting('password_encryption') AS hashing,
    has_column_privilege('pg_authid', 'rolpassword', 'SELECT') AS shows_verifiers
