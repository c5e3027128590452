-- Login roles whose password is kept as MD5, or not hashed at all. Who may read this may guess passwords at home.
SELECT rolname::text AS role
FROM pg_authid
WHERE rolcanlogin AND rolpassword IS NOT NULL AND rolpassword NOT LIKE 'SCRAM-SHA-256$%%'
ORDER BY 1
