-- What came of it.
UPDATE {schema}.attempt SET outcome = %(outcome)s WHERE of_row = %(row)s AND run = %(run)s AND outcome IS NULL
