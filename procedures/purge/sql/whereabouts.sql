-- Where the database lies. Without pg_read_all_settings the folder does not show: then it is NULL, not an error.
SELECT
    current_database()::text AS database,
    pg_database_size(current_database())::bigint AS database_bytes,
    (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS data_directory
