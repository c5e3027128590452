"""Prometheus: readings, and a past for the first run."""
