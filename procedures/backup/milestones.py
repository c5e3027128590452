"""The places that a backup passes. Nothing happens here: tests stop the process at each of them, in turn."""

from __future__ import annotations

#: In the order in which one backup passes them.
MILESTONES = (
    "locked",
    "leased",
    "snapshot taken",
    "dump halfway",
    "dumped",
    "data uploaded",
    "globals uploaded",
    "read back",
    "before the manifest",
    "published",
    "lease let go",
)


def reached(name: str) -> None:
    """A milestone is reached."""
