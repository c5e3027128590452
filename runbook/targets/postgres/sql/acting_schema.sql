-- What muses-runbook remembers of its runs lies in a schema of its own. Needs CREATE on the database, once.
CREATE SCHEMA IF NOT EXISTS {schema}
