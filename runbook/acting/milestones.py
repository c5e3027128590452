"""The places that an acting run passes. Nothing happens here: tests stop the process at each of them, in turn."""

from __future__ import annotations

#: In the order in which a run with a copy of its journal passes them: one plan of one step, which works.
MILESTONES = (
    "locked",
    "begin written",
    "begin copied",
    "attempt noted",
    "intent written",
    "intent copied",
    "lock proven",
    "step done",
    "result written",
    "result copied",
    "verified",
    "outcome noted",
    "proof written",
    "proof copied",
    "end written",
    "end copied",
    "unlocked",
)


def reached(name: str) -> None:
    """A milestone is reached."""
