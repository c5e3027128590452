-- Who may do what: the services write, the runbook's reader only reads. What the owner adds later follows suit.
-- The schema's name is a setting, so it is asked for and never written.

DO $$
DECLARE
    here text := current_schema();
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO muses_app, muses_reader', here);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO muses_app', here);
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO muses_app', here);
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO muses_reader', here);
    EXECUTE format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA %I TO muses_reader', here);
    EXECUTE format(
        'ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO muses_app', here);
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES TO muses_reader', here);
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON SEQUENCES TO muses_reader', here);
END
$$;
