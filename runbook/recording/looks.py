"""Looks at the targets: one of a check, all of a watch, each with what it read, to be judged again offline.

A look holds what changed since the one before: most of what a system tells is the same five seconds later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from runbook.model import Environment, Reading, Run

#: Version of the form of the lines. It grows by addition; a change of meaning raises it.
FORM = 1


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What changed since the look before; ``gone`` was not asked again. Begun ``at``, judged at ``ended_at``."""

    at: datetime
    ended_at: datetime
    readings: tuple[Reading, ...] = ()
    gone: tuple[str, ...] = ()


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a record: of which run and environment it is."""

    record: int
    run: str
    environment: Environment


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it was read; ``cut`` says that its last look is not whole and was left out."""

    head: Head
    looks: tuple[Look, ...]
    cut: bool = False

    def whole(self) -> Iterator[Look]:
        """Each look with all its readings, oldest first."""
        known: dict[str, Reading] = {}
        for look in self.looks:
            for name in look.gone:
                known.pop(name, None)
            known |= {name_of(reading): reading for reading in look.readings}
            yield msgspec.structs.replace(look, readings=tuple(known.values()), gone=())


class Changes:
    """Tells of each look what changed since the one before."""

    def __init__(self) -> None:
        self._known: dict[str, Reading] = {}

    def of(self, at: datetime, ended_at: datetime, readings: Iterable[Reading]) -> Look:
        """The look without what said the same."""
        now = {name_of(reading): reading for reading in readings}
        changed = tuple(reading for name, reading in now.items() if not _same(self._known.get(name), reading))
        gone = tuple(name for name in self._known if name not in now)
        self._known = now
        return Look(at=at, ended_at=ended_at, readings=changed, gone=gone)


def of_run(run: Run) -> Recording:
    """The record that a stored run holds: each look of a watch, or the one that a check took."""
    head = Head(record=FORM, run=run.id, environment=run.environment)
    if not run.samples:
        return Recording(head=head, looks=(Look(at=run.started_at, ended_at=judged_at(run), readings=run.readings),))
    ends = (*(sample.at for sample in run.samples[1:]), None)
    looks = (
        Look(
            at=sample.at,
            ended_at=sample.ended_at,
            readings=tuple(r for r in run.readings if r.taken_at >= sample.at and (end is None or r.taken_at < end)),
            gone=sample.gone,
        )
        for sample, end in zip(run.samples, ends, strict=True)
    )
    return Recording(head=head, looks=tuple(looks))


def name_of(reading: Reading) -> str:
    """Its request, as a verdict names it."""
    return f"{reading.target}.{reading.request}"


def judged_at(run: Run) -> datetime:
    """When a check judged what it read: a fix may have come after."""
    return max((record.verdict.judged_at for record in run.records), default=run.started_at)


def _same(before: Reading | None, now: Reading) -> bool:
    return before is not None and (before.value, before.error) == (now.value, now.error)
