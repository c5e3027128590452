-- The plan of the statement prepared just before; no value is used.
EXPLAIN (FORMAT JSON) EXECUTE muses_question {given}
