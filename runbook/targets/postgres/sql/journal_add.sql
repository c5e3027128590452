-- One entry; there already after a try whose answer was lost.
INSERT INTO {schema}.journal (machine, number, hash, line)
VALUES (%(machine)s, %(number)s, %(hash)s, %(line)s)
ON CONFLICT DO NOTHING
