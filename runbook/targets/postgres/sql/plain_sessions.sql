-- Sessions that came over a network without TLS, ours too; those by socket or from this host's own address have none.
SELECT
    coalesce(usename::text, '') AS role,
    coalesce(application_name, '') AS application,
    host(client_addr) AS client,
    count(*)::integer AS sessions
FROM pg_stat_activity
JOIN pg_stat_ssl USING (pid)
WHERE NOT ssl
    AND client_addr IS NOT NULL
    AND NOT client_addr <<= '127.0.0.0/8'
    AND client_addr NOT IN ('::1', coalesce(inet_server_addr(), '::1'))
GROUP BY 1, 2, 3
ORDER BY 4 DESC, 1, 2, 3
