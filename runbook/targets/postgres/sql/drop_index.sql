-- Drop an index without blocking writers.
DROP INDEX CONCURRENTLY {name}
