-- End one session if it is still the very one that was looked at; true when it is gone, false when it is not yet.
SELECT pg_terminate_backend(pid, %(milliseconds)s) AS ended
FROM pg_stat_activity
WHERE pid = %(pid)s
    AND backend_start = %(backend_start)s
    AND backend_type = 'client backend'
    AND state = %(state)s
    AND state_change IS NOT DISTINCT FROM %(state_changed_at)s
