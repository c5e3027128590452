"""What grows, how fast, and when it reaches its limit if it goes on so. A forecast from too few days is none.

The line is the median of the slopes between all pairs of days (Theil and Sen): one odd day does not move it.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

import msgspec

from reports.figures import amount
from reports.monthly.month import Month, day_of, newest
from runbook.model import Measure, final
from runbook.text import Quantity, Value

#: What fills up: the exchange tables and the disks.
ROWS = ("STAGE-02", "HOST-01")
#: Days that a forecast takes, and how many of all pairs of days must rise: noise rises half of the time.
LEAST_DAYS, RISING = 5, 0.65
#: How far ahead it is told, and past what it is years away.
AHEAD, HORIZON = timedelta(days=90), timedelta(days=3650)


class Forecast(msgspec.Struct, frozen=True):
    """One object's growth: ``per_day`` is None with too few days, and zero where it does not rise.

    ``ahead`` is what it would be in ninety days, ``reached_at`` when it would be at its ``limit`` (the critical one,
    else the warning); None where it has none, or it is more than ten years away.
    """

    row: str
    object: str
    days: int
    first: Value
    last: Value
    per_day: Value
    ahead: Value
    limit: Value
    reached_at: datetime | None


def forecasts(month: Month) -> tuple[Forecast, ...]:
    """Of everything that fills up, the soonest to reach its limit first, then the fastest."""
    shown = {
        (row, one.object): one
        for row, record in newest(month).items()
        for verdict in (record.verdict, final(record))
        for one in verdict.measures
    }
    found = [_forecast(key, samples, shown.get(key), month) for key, samples in _daily(month).items()]
    return tuple(sorted(found, key=_order))


def _order(one: Forecast) -> tuple[bool, float, float, str]:
    soon = one.reached_at.timestamp() if one.reached_at else 0.0
    return one.reached_at is None, soon, -(amount(one.per_day) or 0.0), one.object


def _daily(month: Month) -> dict[tuple[str, str], dict[date, float]]:
    """The median of each day: a morning and an evening run must not look like growth."""
    found: dict[tuple[str, str], dict[date, list[float]]] = {}
    for one in month.measures:
        if one.row in ROWS and _fills(one.row, one.object):
            found.setdefault((one.row, one.object), {}).setdefault(day_of(month, one.at), []).append(one.value)
    return {key: {day: statistics.median(values) for day, values in days.items()} for key, days in found.items()}


def _fills(row: str, object: str) -> bool:
    """Of the exchange tables the sizes: what is left of their disk is a time, and shrinks."""
    return row != "STAGE-02" or object.endswith(("(bytes)", "(rows)"))


def _forecast(key: tuple[str, str], daily: Mapping[date, float], shown: Measure | None, month: Month) -> Forecast:
    first, last = daily[min(daily)], daily[max(daily)]
    slope = _slope(daily)
    limit = None if shown is None else amount(shown.critical) or amount(shown.warning)
    said = _Unit(key[1], shown)
    return Forecast(
        row=key[0],
        object=key[1],
        days=len(daily),
        first=said(first),
        last=said(last),
        per_day=None if slope is None else said(slope),
        ahead=None if slope is None else said(last + slope * AHEAD.days),
        limit=None if limit is None else said(limit),
        reached_at=_reached(last, slope, limit, month.until),
    )


def _reached(last: float, slope: float | None, limit: float | None, now: datetime) -> datetime | None:
    if not slope or limit is None:
        return None
    left = timedelta(days=min(max(limit - last, 0.0) / slope, 2 * HORIZON.days))
    return now + left if left <= HORIZON else None


def _slope(daily: Mapping[date, float]) -> float | None:
    """What is added in a day; zero where it does not rise, None with too few days."""
    if len(daily) < LEAST_DAYS:
        return None
    slopes = list(_pairs(daily))
    if sum(slope > 0 for slope in slopes) < RISING * len(slopes):
        return 0.0
    return max(statistics.median(slopes), 0.0)


def _pairs(daily: Mapping[date, float]) -> Iterator[float]:
    for (early, before), (late, after) in itertools.combinations(sorted(daily.items()), 2):
        yield (after - before) / (late - early).days


class _Unit:
    """Numbers of one object in the unit that its row has; by its name where no run that was read shows it."""

    def __init__(self, object: str, shown: Measure | None) -> None:
        given = shown.value if shown is not None else None
        self._unit = given.unit if isinstance(given, Quantity) else _UNITS.get(object.rpartition("(")[2].rstrip(")"))

    def __call__(self, value: float) -> Value:
        return Quantity(value, self._unit) if self._unit else value


_UNITS = {"bytes": "B", "rows": "rows"}
