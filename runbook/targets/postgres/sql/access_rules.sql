-- The lines of pg_hba.conf as they stand in the file.
SELECT
    line_number AS line,
    coalesce(type, '') AS type,
    coalesce(database, '{{}}') AS databases,
    coalesce(user_name, '{{}}') AS roles,
    coalesce(address, '') AS address,
    coalesce(netmask, '') AS netmask,
    coalesce(auth_method, '') AS method,
    error IS NOT NULL AS broken
FROM pg_hba_file_rules
ORDER BY line_number
