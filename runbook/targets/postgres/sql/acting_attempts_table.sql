-- When a remedy was tried, by whichever machine, and what came of it.
CREATE TABLE IF NOT EXISTS {schema}.attempt (
    of_row text NOT NULL,
    run text NOT NULL,
    targets text[] NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome text,
    PRIMARY KEY (of_row, run)
)
