-- How long a statement of this session waits for a lock.
SELECT set_config('lock_timeout', %(patience)s, false)
