-- An index on some columns of a table, of all its rows or of some.
CREATE INDEX {how} {name} ON {table} ({columns}) {where}
