-- The servers that follow this one block by block and may answer queries: not those who only fetch a copy or changes.
SELECT application_name AS name, coalesce(host(client_addr), 'local') AS address
FROM pg_stat_replication
WHERE application_name NOT IN ('pg_basebackup', 'pg_receivewal', 'pg_recvlogical', 'barman', 'pgbackrest')
    AND pid NOT IN (SELECT active_pid FROM pg_replication_slots WHERE active AND slot_type = 'logical')
