"""What the services and the database write: JSON lines and the slow query log."""
