"""The object store of backups and archives."""
