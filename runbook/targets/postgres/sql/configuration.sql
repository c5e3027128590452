-- The server's settings that somebody asked about, and those that wait for a restart. What the command line of the
-- server says outlives a restart: the server says that it waits, because the file says something else. Needs pg_monitor
-- for some.
WITH known AS (
    SELECT *, pending_restart AND source <> 'command line' AS waits FROM pg_settings
)
SELECT
    name,
    current_setting(name) AS shown,
    setting AS value,
    coalesce(unit, '') AS unit,
    vartype AS kind,
    source,
    waits AS pending_restart
FROM known
WHERE name = ANY (%(names)s) OR waits
ORDER BY name
