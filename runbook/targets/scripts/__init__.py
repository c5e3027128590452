"""The team's own SQL scripts, run by the reader: what psql would do with them, as far as it only reads."""
