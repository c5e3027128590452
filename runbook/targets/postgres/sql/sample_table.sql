-- A temporary table like a real one, with its indexes.
CREATE TEMPORARY TABLE {sample} (LIKE {table} INCLUDING INDEXES) ON COMMIT DROP
