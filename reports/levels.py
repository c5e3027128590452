"""The service levels of SEP-MUSES, and how far the judgements prove that they were kept.

Between two judgements nothing is known. A judgement speaks until the next one of its row, and no longer than it may
stand; what nothing speaks for is a gap. A gap is never kept time: a level with too many of them is *not proven*.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from reports.stretches import Seen, Stretch, stretches, together
from runbook.history import Judged
from runbook.text import Text, bilingual, percent, text


class Held(StrEnum):
    """Whether a level was kept: NOT_PROVEN where too much was not seen, or not often enough."""

    KEPT = "kept"
    MISSED = "missed"
    NOT_PROVEN = "not proven"


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One promise, in its own words: ``rows`` tell whether it holds, ``objective`` is how much of the time (percent).

    ``own_limit`` is the site's own critical limit of one of its rows, where that is not the promise's.
    """

    name: str
    promise: Text
    source: str
    rows: tuple[str, ...]
    objective: float
    own_limit: str = ""


class LevelResult(msgspec.Struct, frozen=True, kw_only=True):
    """A level over a period. ``budget`` is how long it may be bad in the whole of it; ``every`` the usual time from one
    judgement to the next, None with fewer than two. ``idle`` is time in which it did not apply: it counts for nothing.

    ``lowest`` and ``highest`` are the percent of the time that it held: with what was not seen as bad, and as good.
    """

    level: Level
    span: timedelta
    good: timedelta
    bad: timedelta
    idle: timedelta
    budget: timedelta
    lowest: float
    highest: float
    every: timedelta | None
    held: Held
    stretches: tuple[Stretch, ...]

    @property
    def gap(self) -> timedelta:
        """How long nothing was seen."""
        return self.span - self.good - self.bad - self.idle


def levels(
    availability: float, others: float, available_rows: tuple[str, ...], limits: Mapping[str, Mapping[str, object]]
) -> tuple[Level, ...]:
    """The promises of SEP-MUSES; ``limits`` are the site's own of any row."""
    promised = (
        ("availability", text("{objective} availability", objective=percent(availability)), available_rows),
        ("throughput", bilingual(*_THROUGHPUT), ("ETL-03",)),
        ("siged", bilingual(*_SIGED), ("ETL-06",)),
        ("latency", bilingual(*_LATENCY), ("ETL-01",)),
    )
    return tuple(
        Level(
            name=name,
            promise=promise,
            source="Guía de Operaciones §2" if name == "latency" else "Nivel de servicio",
            rows=rows,
            objective=availability if name == "availability" else others,
            own_limit=_own_limit(rows, limits),
        )
        for name, promise, rows in promised
    )


_THROUGHPUT = (
    "50,000 records processed in under 30 minutes",
    "50,000 registros procesados en menos de 30 minutos",
)
_SIGED = (
    "A consolidated record is notified to SIGED within 24 hours",
    "Un registro consolidado se notifica a SIGED en 24 horas",
)
_LATENCY = (
    "The latency of the ETL stays within 45 minutes",
    "La latencia del proceso ETL no pasa de 45 minutos",
)


def _own_limit(rows: Sequence[str], limits: Mapping[str, Mapping[str, object]]) -> str:
    own = (f"limits.{row}.critical = {limits[row]['critical']}" for row in rows if "critical" in limits.get(row, {}))
    return next(own, "")


def measure(
    level: Level,
    judged: Sequence[Judged],
    ended: Mapping[str, datetime],
    start: datetime,
    end: datetime,
    *,
    until: datetime,
    stands_for: timedelta,
) -> LevelResult:
    """A level from ``start`` to ``until``; the budget is that of the whole period, which may end later.

    ``judged`` are oldest first and reach back before ``start``; ``ended`` says when each run did.
    """
    of_rows = [[one for one in judged if one.row == row] for row in level.rows]
    found = tuple(together([stretches(row, ended, until, stands_for) for row in of_rows], start, until))
    good, bad, idle = (_sum(found, seen) for seen in (Seen.GOOD, Seen.BAD, Seen.ABSENT))
    applied = until - start - idle
    result = LevelResult(
        level=level,
        span=until - start,
        good=good,
        bad=bad,
        idle=idle,
        budget=(end - start) * (1 - level.objective / 100),
        lowest=100 * (good / applied) if applied else 0.0,
        highest=100 - 100 * (bad / applied) if applied else 100.0,
        every=_usual([one for row in of_rows for one in row], start, until),
        held=Held.NOT_PROVEN,
        stretches=found,
    )
    return msgspec.structs.replace(result, held=_held(result))


def floored(share: float) -> str:
    """A percentage with three digits that never says 100 of what is less."""
    whole = int(share * 1000)
    return f"{whole // 1000}.{whole % 1000:03d}".rstrip("0").rstrip(".")


def _held(found: LevelResult) -> Held:
    """Missed is what was seen to be; kept is only what was seen whole, and often enough for its budget."""
    if found.bad > found.budget:
        return Held.MISSED
    seldom = found.every is None or found.every > found.budget
    if found.level.own_limit or seldom or not found.good or found.bad + found.gap > found.budget:
        return Held.NOT_PROVEN
    return Held.KEPT


def _usual(judged: Sequence[Judged], start: datetime, end: datetime) -> timedelta | None:
    times = sorted({one.at for one in judged if start <= one.at < end})
    steps = [(after - before).total_seconds() for before, after in itertools.pairwise(times)]
    return timedelta(seconds=statistics.median(steps)) if steps else None


def _sum(stretches: Sequence[Stretch], seen: Seen) -> timedelta:
    return sum((part.span for part in stretches if part.seen is seen), timedelta(0))
