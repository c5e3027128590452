"""What statements cost around a change: the planner's cost, and the server's own mean time where it counts them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook.errors import ProbeError
from runbook.targets.postgres.activity import seeing
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.counting import Count, counted
from runbook.targets.postgres.indexable import unfinished
from runbook.targets.postgres.planner import plan
from runbook.targets.postgres.questions import Counted, asked
from runbook.targets.postgres.workload import unmasked

#: Seconds that are waited for a first call after the change: what runs seldom is timed by nobody who waits.
_PATIENCE, _PAUSE = 3.0, 0.1
_MOST = 5


@dataclass(frozen=True)
class Timed:
    """A statement before the change: its shape as shown, its text, its cost (None: cannot be planned), its counts."""

    shape: str
    words: str
    cost: float | None
    counted: Counted

    @property
    def mean(self) -> float:
        """Milliseconds of a call; 0 where none was counted."""
        return self.counted.milliseconds / self.counted.calls if self.counted.calls else 0.0


def before(line: Line, shapes: Sequence[str]) -> tuple[Timed, ...]:
    """The statements as they are; those of which nothing is known any more are left out."""
    if not shapes:
        return ()
    try:
        kept, count = unmasked(line), counted(line, seeing(line))
    except ProbeError:
        return ()  # whoever cannot see other sessions times nothing
    known = [(shape, kept[shape]) for shape in shapes[:_MOST] if shape in kept]
    return tuple(
        Timed(shape, words, _cost(line, words, count), count.statements.get(words, Counted())) for shape, words in known
    )


def after(line: Line, timed: Sequence[Timed]) -> list[dict[str, Any]]:
    """Each statement's planner's cost and mean milliseconds, before and after; a mean is None where nobody called."""
    if not timed:
        return []
    # Whoever was at it when the change came ends it the old way: those calls are left out.
    time.sleep(min(max(2 * one.mean for one in timed) / 1000, _PATIENCE / 2))
    begun = counted(line, seeing(line))
    count = _called(line, timed, begun)
    return [_compared(one, _cost(line, one.words, count), begun, count) for one in timed]


def _called(line: Line, timed: Sequence[Timed], begun: Count) -> Count:
    """The counts once each of the statements ran again, or when patience ends."""
    ends_at = time.monotonic() + _PATIENCE
    while True:
        count = counted(line, seeing(line))
        again = all(_calls(count.statements, one) > _calls(begun.statements, one) for one in timed)
        if again or time.monotonic() > ends_at or not count.statements:
            return count
        time.sleep(_PAUSE)


def _calls(counts: Mapping[str, Counted], one: Timed) -> int:
    return counts.get(one.words, Counted()).calls or 0


def _compared(one: Timed, cost: float | None, begun: Count, now: Count) -> dict[str, Any]:
    calls = _calls(now.statements, one) - _calls(begun.statements, one)
    mean = None
    if calls > 0:
        spent = now.statements[one.words].milliseconds - begun.statements.get(one.words, Counted()).milliseconds
        mean = spent / calls
    return {
        "statement": one.shape,
        "cost_before": one.cost,
        "cost_after": cost,
        "mean_ms_before": round(one.mean, 3) if one.counted.calls else None,
        "mean_ms_after": None if mean is None else round(mean, 3),
        "calls_after": max(calls, 0),
    }


def _cost(line: Line, words: str, count: Count) -> float | None:
    from psycopg import errors

    try:
        with line.connection.transaction(force_rollback=True):
            counts = count.statements.get(words, Counted())
            one = asked(words, line.access.settings.schema, counts, unfinished(line), ())
            found = plan(line, one.question) if one else None
    except errors.InsufficientPrivilege:
        return None
    return found.cost if found else None
