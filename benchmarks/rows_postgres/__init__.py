"""The rows of PostgreSQL beside check_pgactivity and check_postgres: same server, same limits, same verdict."""
