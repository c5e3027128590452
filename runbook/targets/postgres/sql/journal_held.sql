-- What the copy holds of one machine.
SELECT number, hash FROM {schema}.journal WHERE machine = %(machine)s
