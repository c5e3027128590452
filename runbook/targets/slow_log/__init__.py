"""The server's log, whatever its form, read for what statements cost and what they waited for."""
