-- The planner's statistics of a sample.
ANALYZE {sample}
