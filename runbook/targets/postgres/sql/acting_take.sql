-- A new epoch, ours.
INSERT INTO {schema}.acting AS a (epoch, holder, taken_at, proven_at)
VALUES (1, %(holder)s, clock_timestamp(), clock_timestamp())
ON CONFLICT (alone) DO UPDATE
SET epoch = a.epoch + 1, holder = excluded.holder, taken_at = excluded.taken_at, proven_at = excluded.proven_at
RETURNING epoch
