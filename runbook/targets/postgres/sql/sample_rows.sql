-- A sample of a table's blocks, the same at each time.
INSERT INTO {sample} SELECT * FROM {table} TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1) LIMIT {most}
