"""How fast the consolidation is while work is waiting, and when what waits will be done. Pure but for one look.

A pace counts only while enough stood ready: a service that has nothing to do is not slow. Its spread tells how far the
end can be known.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from runbook.limits import Limits
from runbook.model import State
from runbook.text import Quantity, per_minute, text

if TYPE_CHECKING:
    from runbook.targets.postgres.database import Database
    from runbook.targets.postgres.load_structs import Pace

#: The service level: records, and the name that their time is remembered by.
LEVEL, OBJECT = 50_000, "tbae*"
#: Fewer intervals say nothing about a spread; what is longer ago says little about what comes.
LEAST, RECENT = 3, timedelta(minutes=5)
#: Student's t for an interval that holds the truth nine times of ten, by degrees of freedom.
_T = {1: 6.31, 2: 2.92, 3: 2.35, 4: 2.13, 5: 2.02, 6: 1.94, 7: 1.90, 8: 1.86, 9: 1.83}


class Estimate(NamedTuple):
    """When it is done: the expectation and the interval around it; ``latest`` is None where no end can be told."""

    rate: float
    expected: timedelta
    earliest: timedelta
    latest: timedelta | None


class Demand(NamedTuple):
    """What was finished while enough stood ready, and how long that was, all tables together."""

    finished: int
    span: timedelta

    @property
    def level(self) -> timedelta | None:
        """The time that the service level's records take at this pace; None while nothing is finished."""
        return LEVEL / self.finished * self.span if self.finished else None


def estimate(remaining: int, finished: Sequence[int], every: timedelta) -> Estimate | None:
    """When ``remaining`` are done, from what was ``finished`` in each interval; None where it is too early to tell.

    The mean pace is uncertain by the spread over the intervals seen, and what is still to come spreads as well.
    Neighbours that resemble each other (a service that works in bursts) tell less than as many strangers.
    """
    if len(finished) < LEAST or not any(finished):
        return None
    mean, spread = statistics.fmean(finished), statistics.stdev(finished)
    own = _independent(finished, mean)
    count = max(2.0, len(finished) * own)
    ahead = max(1.0, remaining / mean * own)
    error = _t(count - 1) * spread * math.sqrt(1 / count + 1 / ahead)
    slow, fast = mean - error, mean + error
    return Estimate(
        rate=mean / every.total_seconds(),
        expected=remaining / mean * every,
        # What is finished between two looks is not seen: an interval either way.
        earliest=max(timedelta(0), (remaining / fast - 1) * every),
        latest=(remaining / slow + 1) * every if slow > mean / 100 else None,
    )


def recent(paces: Iterable[Pace], table: str, least: float) -> tuple[int, ...]:
    """What was finished in each of the last intervals since at least so many stand ready, oldest first."""
    pace = next((pace for pace in paces if pace.table == table), None)
    if pace is None:
        return ()
    newest = zip(reversed(pace.finished), reversed(pace.waiting), strict=True)
    ready = itertools.takewhile(lambda state: state[1] >= least, itertools.islice(newest, round(RECENT / pace.every)))
    return tuple(done for done, _ in ready)[::-1]


def demand(paces: Sequence[Pace], least: float) -> Demand:
    """What was finished in the intervals at whose beginning at least so many stood ready, all tables together."""
    every = paces[0].every if paces else timedelta(0)
    done = 0
    intervals = 0
    for states in zip(*(zip(pace.finished, pace.waiting, strict=True) for pace in paces), strict=True):
        if sum(waiting for _, waiting in states) >= least:
            done += sum(finished for finished, _ in states)
            intervals += 1
    return Demand(done, intervals * every)


def look_and_judge(database: Database, limits: Limits) -> None:
    """Read the pace only when enough came within the window: it takes a look at whole tables."""
    window = limits.span("pace_window")
    waiting = sum(table.unfinished for table in database.etl_latency(limits.span("window")))
    finished = database.consolidation_rate(window) * window.total_seconds()
    if waiting + finished < limits.number("least_records"):
        skip_idle(limits)
    else:
        judge(database.pace(window), limits)


def judge(paces: Sequence[Pace], limits: Limits) -> None:
    """Judge the time that the service level's records take, if enough stood ready for long enough."""
    found = demand(paces, limits.number("least_records"))
    if found.span < limits.span("least_time"):
        skip_idle(limits)
        return
    records, level = Quantity(LEVEL, "records"), found.level
    if level is None:
        stands = text("Nothing was finished in {span} while records were waiting", span=found.span)
        limits.hold(State.CRITICAL, of=OBJECT, summary=stands)
        return
    said = text(
        "{records} take {level}: {rate} were finished over {span} in which work was waiting",
        records=records,
        level=level,
        rate=per_minute(round(60 * found.finished / found.span.total_seconds())),
        span=found.span,
    )
    limits.judge(level, of=OBJECT, summary=said)


def skip_idle(limits: Limits) -> None:
    """Too little came to tell how fast it is."""
    few = text(
        "Too few records came to tell: it takes {records} waiting at once for {span}",
        records=Quantity(limits.number("least_records"), "records"),
        span=limits.span("least_time"),
    )
    limits.skip(few)


def _independent(finished: Sequence[int], mean: float) -> float:
    """The part of the intervals that counts, by how far each resembles the one before it."""
    around = [count - mean for count in finished]
    squares = sum(value * value for value in around)
    if not squares:
        return 1.0
    alike = sum(before * after for before, after in itertools.pairwise(around)) / squares
    return (1 - alike) / (1 + alike) if alike > 0 else 1.0


def _t(freedom: float) -> float:
    return _T.get(math.floor(freedom)) or 1.645 + 1.6 / max(1.0, freedom)
