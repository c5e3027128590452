"""Judgements turned into stretches of time: what each row tells of, and what all rows of a level tell together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from runbook.history import Judged
from runbook.model import State


class Seen(StrEnum):
    """What a stretch of time was like. ``ABSENT``: no row applied, such as the pace of a service without work."""

    GOOD = "good"
    BAD = "bad"
    GAP = "gap"
    ABSENT = "absent"


class Stretch(NamedTuple):
    """From one moment to another, and what that time was like."""

    start: datetime
    end: datetime
    seen: Seen

    @property
    def span(self) -> timedelta:
        """How long it is."""
        return self.end - self.start


def stretches(
    judged: Sequence[Judged], ended: Mapping[str, datetime], until: datetime, stands_for: timedelta
) -> list[Stretch]:
    """What one row tells, in order, without the gaps between."""
    found = []
    for one, after in itertools.zip_longest(judged, judged[1:]):
        stop = min(until, one.at + stands_for, after.at if after else until)
        found += [part for part in _of(one, ended.get(one.run), stop) if part.end > part.start]
    return found


def _of(one: Judged, ended: datetime | None, stop: datetime) -> Iterator[Stretch]:
    """A row that was bad and was fixed in the same run was bad until the run ended."""
    since = one.at
    if one.state is State.CRITICAL and one.final is not State.CRITICAL:
        since = min(stop, max(ended or one.at, one.at))
        yield Stretch(one.at, since, Seen.BAD)
    yield Stretch(since, stop, _KINDS.get(one.final, Seen.GOOD))


_KINDS = {State.CRITICAL: Seen.BAD, State.UNKNOWN: Seen.GAP, State.SKIPPED: Seen.ABSENT}


def together(rows: Sequence[Sequence[Stretch]], start: datetime, end: datetime) -> Iterator[Stretch]:
    """All rows at once: bad where one is, a gap where one is not seen, good where all that apply are.

    Where none applies it is absent.
    """
    edges = {moment for row in rows for part in row for moment in part[:2] if start < moment < end}
    places = [0] * len(rows)
    merged: Stretch | None = None
    for begin, stop in itertools.pairwise(sorted({start, end, *edges})):
        seen = _worst([_at(row, places, number, begin) for number, row in enumerate(rows)])
        if merged is not None and merged.seen is seen:
            merged = merged._replace(end=stop)
            continue
        if merged is not None:
            yield merged
        merged = Stretch(begin, stop, seen)
    if merged is not None:
        yield merged


def _at(row: Sequence[Stretch], places: list[int], number: int, moment: datetime) -> Seen:
    """What a row's stretches say of a moment; ``places`` remembers how far each row was read."""
    while places[number] < len(row) and row[places[number]].end <= moment:
        places[number] += 1
    here = row[places[number]] if places[number] < len(row) else None
    return here.seen if here is not None and here.start <= moment else Seen.GAP


def _worst(seen: Sequence[Seen]) -> Seen:
    return next((kind for kind in (Seen.BAD, Seen.GAP, Seen.GOOD, Seen.ABSENT) if kind in seen), Seen.GAP)
