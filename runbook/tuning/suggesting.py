"""The warning limit that the measures speak for, with its reasons; or why they speak for none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum

import msgspec

from runbook.limits import Threshold
from runbook.tuning.comparing import Level, compared, incident_limit, incidents
from runbook.tuning.stretches import Points, Stretch, beyond, worst_by

#: How far beyond the worst calm value a limit should lie, as a share of it.
MARGIN = 0.1


class Verdict(StrEnum):
    """What comes of it. FEW: without an incident, or without calm, nothing is proven. MIXED: calm times are as bad."""

    BETTER = "better"
    GOOD = "good"
    FEW = "few"
    MIXED = "mixed"


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A warning limit where the verdict is BETTER, else None.

    ``calm`` is the worst value outside of incidents and their flanks, of so many ``samples``.
    """

    verdict: Verdict
    warning: float | None
    calm: float | None
    samples: int
    incidents: int


def suggested(points: Points, now: Threshold) -> Suggestion:
    """The tightest round warning limit that would not have fired in calm times, and would before every incident.

    It is better than the one in force where it fires earlier, or where it spares false alarms and still leaves half
    of the time that the one in force leaves before an incident.
    """
    found = incidents(points, now)
    calm = _calm(points, found, now.direction)
    worst = worst_by(now.direction)(calm) if calm else None
    limit = None if worst is None else _rounded(worst + _sign(now.direction) * MARGIN * abs(worst), now.direction)
    verdict = Verdict.FEW if limit is None or not found else _verdict(points, now, limit)
    return Suggestion(
        verdict=verdict,
        warning=limit if verdict is Verdict.BETTER else None,
        calm=worst,
        samples=len(calm),
        incidents=len(found),
    )


def _verdict(points: Points, now: Threshold, limit: float) -> Verdict:
    until = incident_limit(now)
    if until is None or not beyond(now.direction, limit)(until):
        return Verdict.MIXED
    level = compared(points, now, replace(now, warning=limit))[0]
    before, then = _lead(level, "now"), _lead(level, "then")
    spares = level.false_then < level.false_now and then >= before / 2
    return Verdict.BETTER if then > before or spares else Verdict.GOOD


def _lead(level: Level, which: str) -> timedelta:
    """How long before the incidents one of the two limits fired, all together."""
    leads = [one.incident.began - (getattr(one, which) or one.incident.began) for one in level.fired]
    return sum(leads, timedelta(0))


def _calm(points: Points, found: Sequence[Stretch], direction: str) -> list[float]:
    """The values outside of every incident, of the rise that led to it and of the fall that ended it."""
    taken = {place for one in found for place in _hill(points, one, _sign(direction))}
    return [value for place, (_at, value) in enumerate(points) if place not in taken]


def _hill(points: Points, incident: Stretch, sign: int) -> range:
    """The places of an incident with its flanks: as far as the value gets better on either side."""
    inside = [place for place, (at, _value) in enumerate(points) if incident.holds(at)]
    first, last, values = inside[0], inside[-1], [sign * value for _at, value in points]
    while first > 0 and values[first - 1] < values[first]:
        first -= 1
    while last + 1 < len(values) and values[last + 1] < values[last]:
        last += 1
    return range(first, last + 1)


def _rounded(value: float, direction: str) -> float:
    """Two significant digits, away from what is in order."""
    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    steps = round(value / step, 9)
    return float(f"{(math.ceil(steps) if direction == 'above' else math.floor(steps)) * step:.10g}")


def _sign(direction: str) -> int:
    return 1 if direction == "above" else -1
