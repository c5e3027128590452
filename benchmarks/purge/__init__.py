"""The purge beside its limit and beside what people do: ``python -m benchmarks.purge``."""
