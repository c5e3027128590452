-- The statements that client sessions of this database run now or ran last, without our own. Needs pg_read_all_stats.
SELECT DISTINCT query
FROM pg_stat_activity
WHERE datname = current_database()
    AND backend_type = 'client backend'
    AND usename <> ALL (%(own)s)
    AND query <> ''
