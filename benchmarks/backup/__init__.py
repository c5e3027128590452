"""The backup beside its limit and beside what people do: ``python -m benchmarks.backup``."""
