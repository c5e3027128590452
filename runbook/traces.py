"""What a target shows of a step that was begun and whose end nobody saw, because the run was killed."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from runbook.text import Text, text


class Seen(StrEnum):
    """How far the step got, by what the target is like now."""

    DONE = "done"
    NOT_DONE = "not done"
    HALFWAY = "halfway"
    UNKNOWN = "unknown"


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """What is seen, and the fact that shows it."""

    seen: Seen
    said: Text


def done(said: Text) -> Trace:
    """The step's effect is there, by this step or otherwise: doing it again would be twice."""
    return Trace(seen=Seen.DONE, said=said)


def not_done(said: Text) -> Trace:
    """The target is as the plan knew it."""
    return Trace(seen=Seen.NOT_DONE, said=said)


def halfway(said: Text) -> Trace:
    """Neither: a new plan, made of what is there now, goes on."""
    return Trace(seen=Seen.HALFWAY, said=said)


def unknown(said: Text | None = None) -> Trace:
    """It cannot be told: a person must look."""
    return Trace(seen=Seen.UNKNOWN, said=said or text("Nothing at the target tells whether it was done"))
