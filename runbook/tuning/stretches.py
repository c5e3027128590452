"""Stretches of time in which a value lay beyond a limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

import msgspec

from runbook.limits import Amount, number

#: What was measured, oldest first.
Points = tuple[tuple[datetime, float], ...]


class Stretch(msgspec.Struct, frozen=True):
    """Samples that lie beyond a limit without a break; ``ended`` is None where the data end in it."""

    began: datetime
    ended: datetime | None
    worst: float

    def meets(self, other: Stretch) -> bool:
        """Whether both share some time."""
        return (other.ended is None or self.began < other.ended) and (self.ended is None or self.ended > other.began)

    def holds(self, at: datetime) -> bool:
        """Whether a moment lies in it."""
        return self.began <= at and (self.ended is None or at < self.ended)


def of_a_row(objects: Mapping[str, Points], direction: str) -> Points:
    """What a row judges by: the worst of all its objects at each moment. A row fires when any of them does."""
    by_moment: dict[datetime, list[float]] = defaultdict(list)
    for points in objects.values():
        for at, value in points:
            by_moment[at].append(value)
    return tuple((at, worst_by(direction)(values)) for at, values in sorted(by_moment.items()))


def stretches(points: Points, direction: str, limit: float | None) -> tuple[Stretch, ...]:
    """Every stretch beyond a limit, in the order of time; none beyond no limit."""
    return () if limit is None else tuple(_stretches(points, beyond(direction, limit), worst_by(direction)))


def beyond(direction: str, limit: float) -> Callable[[float], bool]:
    """Whether a value breaches a limit: at it, it does not."""
    return (lambda value: value > limit) if direction == "above" else (lambda value: value < limit)


def worst_by(direction: str) -> Callable[[list[float]], float]:
    """What picks the worst of some values."""
    return max if direction == "above" else min


def bare(limit: Amount | None) -> float | None:
    """A limit as a number; None for none."""
    return None if limit is None else number(limit)


def _stretches(
    points: Points, reached: Callable[[float], bool], worst: Callable[[list[float]], float]
) -> Iterator[Stretch]:
    began, values = None, []
    for at, value in points:
        if reached(value):
            began = began or at
            values.append(value)
        elif began is not None:
            yield Stretch(began, at, worst(values))
            began, values = None, []
    if began is not None:
        yield Stretch(began, None, worst(values))
