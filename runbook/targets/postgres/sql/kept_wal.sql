-- How much WAL a slot may keep; none where nothing limits it. Needs nothing.
SELECT
    CASE WHEN current_setting('max_slot_wal_keep_size') <> '-1'
        THEN pg_size_bytes(current_setting('max_slot_wal_keep_size'))
    END AS kept_at_most
