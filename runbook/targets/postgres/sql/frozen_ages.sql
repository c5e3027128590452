-- How far each database is from the point where the server stops writing, by transactions and by multixacts, and how
-- many of both there were since the last checkpoint: a past that the server keeps by itself. Three million before the
-- numbers wrap it refuses to write. Needs nothing.
WITH pace AS (
    SELECT
        clock_timestamp() - checkpoint_time AS paced_over,
        (
            pg_snapshot_xmax(pg_current_snapshot())::text::numeric
            - split_part(next_xid, ':', 1)::numeric * 4294967296 - split_part(next_xid, ':', 2)::numeric
        )::float8 AS xids,
        (((mxid_age('1')::bigint + 1 - next_multixact_id::text::bigint) %% 4294967296 + 4294967296) %% 4294967296)::float8
            AS multixacts
    FROM pg_control_checkpoint()
), aged AS (
    SELECT datname, 'xid' AS kind, age(datfrozenxid) AS age, 'autovacuum_freeze_max_age' AS setting
    FROM pg_database
    UNION ALL
    SELECT datname, 'multixact', mxid_age(datminmxid), 'autovacuum_multixact_freeze_max_age'
    FROM pg_database
)
SELECT
    datname::text AS database,
    kind,
    age::bigint AS age,
    current_setting(setting)::bigint AS freezes_at,
    2147483647::bigint - 3000000 AS stops_at,
    CASE
        WHEN paced_over >= %(least)s
        THEN greatest(CASE kind WHEN 'xid' THEN xids ELSE multixacts END, 0) / extract(epoch FROM paced_over)::float8
    END AS per_second,
    greatest(paced_over, '0') AS paced_over
FROM aged, pace
ORDER BY age DESC, database, kind
