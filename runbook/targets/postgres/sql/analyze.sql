-- Renew the planner's statistics of a table.
ANALYZE {table}
