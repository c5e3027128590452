"""The places that a purge passes. Nothing happens here: tests stop the process at each of them, one after the other.

Every name stands for a moment at which a crash finds the database and the storage in another state.
"""

from __future__ import annotations

#: In the order in which one batch passes them; what comes before and after a batch stands around them.
MILESTONES = (
    "locked",
    "run begun",
    "table planned",
    "batch claimed",
    "export begun",
    "export halfway",
    "exported",
    "object written",
    "object read back",
    "manifest written",
    "verified, before commit",
    "verified",
    "chunk begun",
    "chunk locked",
    "rows deleted, before commit",
    "chunk committed",
    "all chunks committed",
    "batch done",
    "partition detached",
    "partition proven, before commit",
    "partition dropped",
    "table vacuumed",
    "before the run's end",
    "run done",
    "swept",
)


def reached(name: str) -> None:
    """A milestone is reached."""
