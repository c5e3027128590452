-- The size of an index of a sample.
SELECT pg_relation_size(oid)::bigint AS bytes FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relname = %(name)s
