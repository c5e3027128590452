-- An index on some columns of a table.
CREATE INDEX {how} {name} ON {table} ({columns})
