-- The schema is the purge's ledger's too: checks look into it as the reader, also before there is a ledger.
GRANT USAGE ON SCHEMA {schema} TO {reader}
