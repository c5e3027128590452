-- The newest run of the purge.
SELECT id, started_at, finished_at FROM {runs} ORDER BY started_at DESC LIMIT 1
