-- Who keeps dead rows from being removed: sessions, prepared transactions, slots, standbys that give feedback; the
-- oldest first. Ages are in transactions. Needs pg_read_all_stats.
SELECT
    'session' AS kind,
    coalesce(application_name, '') AS name,
    pid,
    coalesce(usename::text, '') AS role,
    coalesce(datname::text, '') AS database,
    coalesce(datname = current_database(), true) AS here,
    coalesce(state, '') AS state,
    greatest(age(backend_xid), age(backend_xmin)) AS age,
    CASE WHEN xact_start IS NOT NULL THEN greatest(clock_timestamp() - xact_start, '0') END AS since,
    CASE WHEN datname = current_database() THEN query ELSE '' END AS query
FROM pg_stat_activity
WHERE (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)
    AND backend_type <> 'walsender'
    AND pid <> pg_backend_pid()
    AND NOT (application_name = %(application)s AND usename = ANY (%(roles)s))
    AND NOT (backend_type = 'autovacuum worker' AND query LIKE 'autovacuum: VACUUM%%')
UNION ALL
SELECT
    'prepared transaction', gid, NULL, owner::text, database::text, database = current_database(), 'prepared', age(transaction),
    greatest(clock_timestamp() - prepared, '0'), ''
FROM pg_prepared_xacts
UNION ALL
SELECT
    'slot', slot_name::text, active_pid, '', coalesce(database::text, ''),
    coalesce(database = current_database(), true) OR xmin IS NOT NULL,
    CASE WHEN active THEN 'active' ELSE 'inactive' END,
    greatest(age(xmin), age(catalog_xmin)), NULL, ''
FROM pg_replication_slots
WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
UNION ALL
SELECT 'standby', coalesce(application_name, ''), pid, coalesce(usename::text, ''), '', true, state, age(backend_xmin), NULL, ''
FROM pg_stat_replication
WHERE backend_xmin IS NOT NULL
ORDER BY age DESC, kind
LIMIT 20
