"""PostgreSQL ``sep_muses``: reading it as the reader, changing it as the operator."""
