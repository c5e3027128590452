-- A hypothetical index: its number, its invented name, and the size that it would have.
SELECT indexrelid::bigint AS oid, indexname AS name, {relation_size}(indexrelid)::bigint AS bytes
FROM {create_index}(%(sql)s)
