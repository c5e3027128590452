-- Records of one exchange table that tell the same event as an earlier one. Nothing has an index: one scan, and only
-- what came in the window is sorted.
WITH numbered AS (
    SELECT
        uuid,
        row_number() OVER (PARTITION BY {key} ORDER BY {time}, uuid) AS copy
    FROM {table} AS staged
    WHERE {time} >= {since}
), copies AS (
    SELECT uuid, copy FROM numbered WHERE copy > 1
)
SELECT
    count(*)::integer AS copies,
    count(*) FILTER (WHERE copy = 2)::integer AS events,
    coalesce((array_agg(uuid))[1:5], '{{}}') AS sample
FROM copies
