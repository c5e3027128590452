"""The archive of purged records: how it is written, read back, proven, searched and restored."""
