-- What the purge remembers, in the database that it purges: it is there after any crash, and it changes in the same
-- transaction as the rows. {schema} is a setting, {reader} the role that checks read it as.
CREATE SCHEMA IF NOT EXISTS {schema};
COMMENT ON SCHEMA {schema} IS 'What muses-runbook remembers of its procedures; not part of the application';

CREATE TABLE IF NOT EXISTS {schema}.purge_run (
    id text PRIMARY KEY,
    epoch integer NOT NULL DEFAULT 1,      -- raised by whoever takes the run over: fences off everybody before
    state text NOT NULL DEFAULT 'RUNNING' CHECK (state IN ('RUNNING', 'DONE')),
    rules jsonb NOT NULL,                  -- the cutoffs, computed once on the server, and the statuses
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
);

CREATE TABLE IF NOT EXISTS {schema}.purge_table (
    run text NOT NULL REFERENCES {schema}.purge_run,
    name text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL CHECK (state IN ('PLANNED', 'DETACHED', 'DONE', 'REFUSED')),
    expected bigint NOT NULL DEFAULT 0,    -- rows that qualified when the run was planned
    refused jsonb NOT NULL DEFAULT '[]',   -- why it is left out
    parent text,                           -- of a partition that was detached, with its bounds
    bounds text,
    PRIMARY KEY (run, name)
);

CREATE TABLE IF NOT EXISTS {schema}.purge_batch (
    run text NOT NULL,
    name text NOT NULL,
    number integer NOT NULL,
    epoch integer NOT NULL,
    first_block bigint NOT NULL,
    end_block bigint NOT NULL,
    state text NOT NULL DEFAULT 'PLANNED' CHECK (state IN ('PLANNED', 'VERIFIED', 'DONE')),
    manifest_key text,
    manifest jsonb,
    position bigint NOT NULL DEFAULT 0,    -- rows of the archive that the delete has gone through
    deleted bigint NOT NULL DEFAULT 0,
    changed bigint NOT NULL DEFAULT 0,     -- rows that were not as archived any more, and stay
    waiting jsonb,                         -- why it waits just now
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run, name, number),
    FOREIGN KEY (run, name) REFERENCES {schema}.purge_table
);

GRANT USAGE ON SCHEMA {schema} TO {reader};
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader};
