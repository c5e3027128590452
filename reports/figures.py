"""Numbers turned into the geometry of a bar and of a trend line; the templates draw, nothing here does.

A bar is a bullet graph: the zones of the thresholds behind, the value in front. A trend is one line with the
threshold that matters, thinned to what a screen can show without losing its peaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from runbook.model import Measure
from runbook.text import Quantity, Value

WIDTH, HEIGHT, PAD = 320.0, 64.0, 5.0
#: Points a trend keeps: two for each of so many slices of it, their lowest and their highest.
SLICES = 60


class Bar(msgspec.Struct, frozen=True):
    """A value on a scale of 0 to 100 %. ``zones`` are (class, from, width), left to right."""

    value: float
    zones: tuple[tuple[str, float, float], ...]


class Spark(msgspec.Struct, frozen=True):
    """A trend: ``points`` for a polyline in a box of WIDTH × HEIGHT, ``lines`` are (class, y, amount)."""

    points: str
    last_x: float
    last_y: float
    lines: tuple[tuple[str, float, float], ...]
    first_at: datetime
    last_at: datetime
    first: float
    last: float
    lowest: float
    highest: float


def amount(value: Value) -> float | None:
    """The bare number of a value that has one."""
    if isinstance(value, Quantity):
        return value.value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def bar(measure: Measure) -> Bar | None:
    """The bar of a measure; None where there is no number or no threshold to hold it against."""
    value = amount(measure.value)
    warning, critical = amount(measure.warning), amount(measure.critical)
    limits = [limit for limit in (warning, critical) if limit is not None]
    if value is None or not limits:
        return None
    top = _top(measure.value, [value, *limits])
    if top <= 0:
        return None
    return Bar(_share(value, top), _zones(measure.direction, warning, critical, top))


def _top(value: Value, numbers: list[float]) -> float:
    is_percentage = isinstance(value, Quantity) and value.unit == "%" and max(numbers) <= 100
    return 100.0 if is_percentage else max(numbers) * 1.12


def _share(value: float, top: float) -> float:
    return round(min(max(value / top * 100, 0.0), 100.0), 1)


def _zones(
    direction: str, warning: float | None, critical: float | None, top: float
) -> tuple[tuple[str, float, float], ...]:
    """The stretches of the scale where a value would be in order, a warning, critical."""
    given = {"warning": warning, "critical": critical}
    limits = [(name, _share(limit, top)) for name, limit in given.items() if limit is not None]
    if direction == "above":
        names = ["ok", *(name for name, _ in limits)]
        edges = [0.0, *(share for _, share in limits), 100.0]
    else:
        names = [*(name for name, _ in reversed(limits)), "ok"]
        edges = [0.0, *(share for _, share in reversed(limits)), 100.0]
    stretches = zip(names, edges[:-1], edges[1:], strict=True)
    return tuple((name, start, round(end - start, 1)) for name, start, end in stretches if end > start)


def spark(trend: Sequence[tuple[datetime, float]], limits: Measure | None, slices: int = SLICES) -> Spark | None:
    """The line of a trend with the threshold it is near; None for fewer than two points."""
    if len(trend) < 2 or trend[-1][0] <= trend[0][0]:
        return None
    numbers = [value for _, value in trend]
    shown = _near_limits(limits, max(numbers))
    low = min(0.0, *numbers)
    high = max([*numbers, *(limit for _, limit in shown)])
    scale = _Scale(trend[0][0], trend[-1][0], low, high if high > low else low + 1)
    points = [scale.point(at, value) for at, value in _thinned(trend, slices)]
    return Spark(
        points=" ".join(f"{x:g},{y:g}" for x, y in points),
        last_x=points[-1][0],
        last_y=points[-1][1],
        lines=tuple((name, scale.y(limit), limit) for name, limit in shown),
        first_at=trend[0][0],
        last_at=trend[-1][0],
        first=numbers[0],
        last=numbers[-1],
        lowest=min(numbers),
        highest=max(numbers),
    )


def _near_limits(measure: Measure | None, highest: float) -> list[tuple[str, float]]:
    """The warning limit always, the critical one once the warning is reached: a far limit flattens the line."""
    if measure is None:
        return []
    warning, critical = amount(measure.warning), amount(measure.critical)
    shown = [] if warning is None else [("warning", warning)]
    if critical is not None and (warning is None or highest >= warning * 0.9 or critical < warning):
        shown.append(("critical", critical))
    return shown


def _thinned(trend: Sequence[tuple[datetime, float]], slices: int) -> list[tuple[datetime, float]]:
    if len(trend) <= 2 * slices:
        return list(trend)
    size = len(trend) / slices
    kept: set[int] = {0, len(trend) - 1}
    for slice_ in range(slices):
        places = range(int(slice_ * size), int((slice_ + 1) * size))
        kept.add(min(places, key=lambda i: trend[i][1]))
        kept.add(max(places, key=lambda i: trend[i][1]))
    return [trend[place] for place in sorted(kept)]


class _Scale(msgspec.Struct, frozen=True):
    start: datetime
    end: datetime
    low: float
    high: float

    def point(self, at: datetime, value: float) -> tuple[float, float]:
        share = (at - self.start) / (self.end - self.start)
        return round(PAD + share * (WIDTH - 2 * PAD), 1), self.y(value)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - PAD - share * (HEIGHT - 2 * PAD), 1)
