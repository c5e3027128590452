-- The server's settings that somebody asked about, and those that wait for a restart. Needs pg_monitor for some.
SELECT
    name,
    current_setting(name) AS shown,
    setting AS value,
    coalesce(unit, '') AS unit,
    vartype AS kind,
    source,
    pending_restart
FROM pg_settings
WHERE name = ANY (%(names)s) OR pending_restart
ORDER BY name
