"""Slow logs of a server that never was, pgBadger and ours on the same files."""
