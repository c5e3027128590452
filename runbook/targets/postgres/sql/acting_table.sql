-- The lock of acting runs: one row, whose epoch grows with everybody who takes it and fences off who had it before.
CREATE TABLE IF NOT EXISTS {schema}.acting (
    alone boolean PRIMARY KEY DEFAULT true CHECK (alone),
    epoch bigint NOT NULL,
    holder text NOT NULL,
    taken_at timestamptz NOT NULL,
    proven_at timestamptz NOT NULL
)
