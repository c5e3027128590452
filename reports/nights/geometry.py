"""Nights turned into shapes: a strip of states and a thin line of values, in as few characters as they need."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

import msgspec

from reports.figures import amount
from runbook.model import Measure

#: The box of a line; a strip's is as wide as it has nights.
LINE_WIDTH, LINE_HEIGHT = 120, 24
#: Where a state's stroke runs in a strip 12 high. It stands on the ground: worse is taller, and needs no colour.
MIDDLE = {"critical": 6, "warning": 7, "unknown": 8, "waived": 9, "fixed": 10, "ok": 11, "skipped": 11}


class Line(msgspec.Struct, frozen=True):
    """The points of a polyline, and how high the threshold lies that matters; None where none does."""

    points: str
    limit: int | None
    limit_name: str


def strip(standings: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """A path for each state that occurs, in the order of their gravity."""
    paths: dict[str, str] = {}
    place = 0
    for name, nights in groupby(standings):
        width = sum(1 for _ in nights)
        if name in MIDDLE:
            paths[name] = f"{paths.get(name, '')}M{place} {MIDDLE[name]}h{width}"
        place += width
    return tuple((name, paths[name]) for name in MIDDLE if name in paths)


def line(trend: Sequence[tuple[datetime, float]], measure: Measure | None, slices: int) -> Line | None:
    """The line of a trend, thinned to two points a slice, its peaks kept; None for fewer than two points."""
    if len(trend) < 2 or slices < 1 or trend[-1][0] <= trend[0][0]:
        return None
    limit_name, limit = _nearest(measure)
    values = [value for _, value in trend] + ([] if limit is None else [limit])
    low, high = min(0.0, *values), max(values)
    scale = (LINE_HEIGHT - 2) / ((high - low) or 1.0)
    began, length = trend[0][0], trend[-1][0] - trend[0][0]
    points = " ".join(
        f"{round((at - began) / length * LINE_WIDTH)},{LINE_HEIGHT - 1 - round((value - low) * scale)}"
        for at, value in _thinned(trend, slices)
    )
    return Line(points, None if limit is None else LINE_HEIGHT - 1 - round((limit - low) * scale), limit_name)


def _nearest(measure: Measure | None) -> tuple[str, float | None]:
    if measure is None:
        return "", None
    warning = amount(measure.warning)
    return ("warning", warning) if warning is not None else ("critical", amount(measure.critical))


def _thinned(trend: Sequence[tuple[datetime, float]], slices: int) -> list[tuple[datetime, float]]:
    if len(trend) <= 2 * slices:
        return list(trend)
    kept = {0, len(trend) - 1}
    for number in range(slices):
        places = range(number * len(trend) // slices, (number + 1) * len(trend) // slices)
        kept.add(min(places, key=lambda place: trend[place][1]))
        kept.add(max(places, key=lambda place: trend[place][1]))
    return [trend[place] for place in sorted(kept)]
