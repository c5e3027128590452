-- Who took the lock last.
SELECT holder FROM {schema}.acting
