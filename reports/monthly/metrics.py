"""The month in numbers: service levels with their budget, the latency of the ETL, and each day.

A day without a run is a day of which nothing is known: it counts for nothing, and is named.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec

from reports.levels import LevelResult, measure
from reports.monthly.month import Month, day_of, days, in_month
from reports.stretches import Seen
from runbook.model import BREACHED, State, worst

#: The row and the name under which the latency of all exchange tables together is remembered.
LATENCY, OVERALL = "ETL-01", "tbae*"


class Day(msgspec.Struct, frozen=True):
    """One day: ``worst`` is None where no run judged anything, ``down`` how long the service was seen not available."""

    day: date
    runs: int
    worst: State | None
    breached: int
    down: timedelta
    unseen: timedelta


class Latency(msgspec.Struct, frozen=True):
    """What the ETL took of one table, or how old its oldest record was, in seconds."""

    object: str
    samples: int
    median: float
    high: float
    highest: float
    highest_at: datetime


def levels(month: Month) -> tuple[LevelResult, ...]:
    """Each service level over the month so far, against the budget of the whole month."""
    ended = {run.id: run.ended_at for run in month.kept}
    return tuple(
        measure(level, month.judged, ended, month.start, month.end, until=month.until, stands_for=month.stands_for)
        for level in month.levels
    )


def each_day(month: Month, found: Sequence[LevelResult]) -> tuple[Day, ...]:
    """Every day of the month that has begun."""
    judged: dict[date, list[tuple[str, State, str]]] = {}
    for one in in_month(month):
        judged.setdefault(day_of(month, one.at), []).append((one.row, one.final, one.run))
    available = next((one for one in found if one.level.name == "availability"), None)
    down, unseen = (_by_day(month, available, seen) for seen in (Seen.BAD, Seen.GAP))
    nothing = timedelta(0)
    return tuple(
        Day(
            day,
            len({run for _row, _state, run in judged.get(day, ())}),
            worst([state for _row, state, _run in judged[day]]) if day in judged else None,
            len({row for row, state, _run in judged.get(day, ()) if state in BREACHED}),
            down.get(day, nothing),
            unseen.get(day, nothing),
        )
        for day in days(month)
    )


def _by_day(month: Month, result: LevelResult | None, seen: Seen) -> dict[date, timedelta]:
    """How long of each day was so. The days' ends are those of the site's zone."""
    found: dict[date, timedelta] = {}
    for part in result.stretches if result else ():
        at = part.start
        while part.seen is seen and at < part.end:
            end = min(part.end, _next_midnight(month, at))
            found[day_of(month, at)] = found.get(day_of(month, at), timedelta(0)) + (end - at)
            at = end
    return found


def _next_midnight(month: Month, at: datetime) -> datetime:
    """Local midnight after a moment, found by its date: a day of a clock change has 23 or 25 hours."""
    day = day_of(month, at)
    late = at + timedelta(hours=26)
    early = at
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        early, late = (middle, late) if day_of(month, middle) == day else (early, middle)
    return late.replace(microsecond=0)


def latencies(month: Month) -> tuple[Latency, ...]:
    """The latency of each table, all tables together first; empty when nothing was measured."""
    found: dict[str, list[tuple[float, datetime]]] = {}
    for one in month.measures:
        if one.row == LATENCY and "null_times" not in one.object:
            found.setdefault(one.object, []).append((one.value, one.at))
    return tuple(_latency(object, found[object]) for object in sorted(found, key=lambda name: (name != OVERALL, name)))


def _latency(object: str, samples: list[tuple[float, datetime]]) -> Latency:
    values = sorted(value for value, _at in samples)
    highest, at = max(samples)
    high = values[min(len(values) - 1, int(len(values) * 0.95))]
    return Latency(object, len(values), statistics.median(values), high, highest, at)


def highest_by_day(month: Month) -> tuple[tuple[datetime, float], ...]:
    """The highest latency of all tables together of each day that has one, for a line over the month."""
    found: dict[date, tuple[datetime, float]] = {}
    for one in month.measures:
        if one.row == LATENCY and one.object == OVERALL:
            day = day_of(month, one.at)
            if day not in found or one.value > found[day][1]:
                found[day] = one.at, one.value
    return tuple(found[day] for day in sorted(found))
