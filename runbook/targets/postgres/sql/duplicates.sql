-- Records of one exchange table that tell the same event as an earlier one. Nothing has an index: one scan, and of what
-- came in the window only a hash of its key is kept. Without its time (the key's last column) an event cannot be told.
WITH events AS (
    SELECT count(*) AS records, max(uuid) AS last_uuid
    FROM {table} AS staged
    WHERE {time} >= {since} AND {event_time} IS NOT NULL
    GROUP BY hash_record_extended(ROW({key}), 0)
    HAVING count(*) > 1
)
SELECT
    coalesce(sum(records - 1), 0)::integer AS copies,
    count(*)::integer AS events,
    coalesce((array_agg(last_uuid))[1:5], '{{}}') AS sample
FROM events
