"""Rows that are a ``.sql`` file."""
