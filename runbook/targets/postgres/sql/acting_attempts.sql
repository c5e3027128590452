-- The attempts of a row since then, oldest first.
SELECT at, run, targets, outcome FROM {schema}.attempt
WHERE of_row = %(row)s AND at >= clock_timestamp() - %(since)s
ORDER BY at
