"""Counters that only ever grow: how much since an earlier check. Their values are kept beside what is judged.

A counter that fell was reset in between: what it shows is what came since.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from runbook import clock
from runbook.errors import HistoryError
from runbook.limits import Limits
from runbook.model import State
from runbook.text import Quantity, text

if TYPE_CHECKING:
    from runbook.history import History

#: Over less than this a rate says nothing.
LEAST = timedelta(minutes=5)


class Grown(NamedTuple):
    """How much a counter grew in a span."""

    grown: float
    span: timedelta

    @property
    def per_hour(self) -> float:
        """At this pace."""
        return self.grown / (self.span / timedelta(hours=1))


def of(row: str, name: str, value: int, history: History, limits: Limits) -> Grown | None:
    """What was added since the newest earlier check that is not too near; None where there was none.

    Keeps the value for the next check, which judges nothing.
    """
    object = f"{name} (counter)"
    words = text(
        "{name}: {value} so far; the next check, in five minutes or later, tells the rate",
        name=name,
        value=f"{value:,}",
    )
    limits.hold(State.SKIPPED, of=object, value=Quantity(value, "values"), summary=words)
    now = clock.now()
    earlier = [sample for sample in _samples(row, object, history, limits) if now - sample[0] >= LEAST]
    if not earlier:
        return None
    at, before = earlier[-1]
    return Grown(value - before if value >= before else value, now - at)


def since_reset(value: int, counted_since: datetime | None, now: datetime) -> Grown | None:
    """What was added since the counters were reset; None where nobody knows since when they count."""
    if counted_since is None or now - counted_since < LEAST:
        return None
    return Grown(value, now - counted_since)


def _samples(row: str, object: str, history: History, limits: Limits) -> tuple[tuple[datetime, float], ...]:
    """Those of earlier checks; none where there is no history, which only makes the judgement coarser."""
    try:
        return history.samples(row, object, limits.span("window"))
    except HistoryError:
        return ()
