-- A copy of the journals of machines that act: {writer} adds to it and reads it, no more.
CREATE TABLE IF NOT EXISTS {schema}.journal (
    machine text NOT NULL,
    number bigint NOT NULL,
    hash text NOT NULL,
    line text NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (machine, number, hash)
)
