-- A remedy is about to be tried; once a run, a second try of the same run counts as one.
INSERT INTO {schema}.attempt (of_row, run, targets) VALUES (%(row)s, %(run)s, %(targets)s) ON CONFLICT DO NOTHING
