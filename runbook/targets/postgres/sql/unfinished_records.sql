-- Records of one exchange table that are not finished, and the age of the oldest. Without an index on the status
-- this reads the whole table: nothing else knows which they are.
SELECT
    count(*)::integer AS unfinished,
    clock_timestamp() - {earliest} AS oldest_unfinished,
    count(*) FILTER (WHERE {time} IS NULL)::integer AS null_times
FROM {table} AS staged
WHERE id_estatus_procesamiento = ANY (%(unfinished)s::integer[])
