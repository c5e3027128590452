"""Whether one subsystem's lot is what keeps the rest waiting, how large it is for it, and when it is done. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from checks import _pace
from checks._found import confirmed, fact, ruled_out
from runbook import clock
from runbook.errors import HistoryError, ProbeError
from runbook.limits import Limits
from runbook.model import Evidence, Finding
from runbook.text import Quantity, Text, per_second, percent, text, verbatim

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.postgres.database import Database
    from runbook.targets.postgres.load_structs import Lot, Pace
    from runbook.targets.postgres.structs import Batch

T = TypeVar("T")
#: The share of what waits in a table that belongs to one subsystem when its lot is the cause: twelve share otherwise.
DOMINATES = 0.6
#: Days of lots to compare with, fewest lots that tell what is usual, and how much more than usual is very large.
DAYS, FEWEST, LARGER = 30, 5, 1.5
#: What is smaller is no lot: a day's corrections.
SMALLEST = 500
#: The row that remembers the pace, and how far back that is looked at.
ROW, PAST = "ETL-03", timedelta(days=30)


@dataclass(frozen=True)
class Seen:
    """One look at what waits; ``lots`` and ``levels`` (seconds for 50,000) are its past, empty where not known."""

    batches: tuple[Batch, ...]
    rate: float
    paces: tuple[Pace, ...] = ()
    lots: tuple[Lot, ...] = ()
    levels: tuple[float, ...] = ()
    notes: tuple[Evidence, ...] = ()


def look(database: Database, history: History, limits: Limits) -> Seen:
    """What waits and how fast it goes; the past only where a lot is large enough to be compared with it."""
    batches, rate = database.batches(), database.consolidation_rate(limits.span("window"))
    if _large(batches, limits.number("large_lot")) is None:
        return Seen(batches, rate)
    notes: list[Evidence] = []

    def tried(read: Callable[[], tuple[T, ...]], source: str) -> tuple[T, ...]:
        try:
            return read()
        except ProbeError as error:
            notes.append(fact(error.said, source))
        except HistoryError as error:
            notes.append(fact(verbatim(str(error)), source))
        return ()

    paces = tried(lambda: database.pace(limits.span("pace_window")), "tbae009_respuesta")
    lots = tried(lambda: database.lots(DAYS), "tbae009_respuesta")
    past = tried(lambda: history.samples(ROW, _pace.OBJECT, PAST), "history")
    return Seen(batches, rate, paces, lots, tuple(value for _, value in past), tuple(notes))


def very_large(seen: Seen, limits: Limits) -> Finding:
    """Whether one lot of a subsystem is larger than it usually sends, and fills what waits in its table."""
    if not seen.batches:
        return ruled_out(text("No record waits"), *_evidence(seen))
    least = limits.number("large_lot")
    largest = _large(seen.batches, least)
    if largest is None:
        return ruled_out(text("No subsystem's lot stands out among what waits"), *_evidence(seen))
    evidence = (_waiting(seen.batches), *_slower(seen), *seen.notes)
    finished = _pace.recent(seen.paces, largest.table, least)
    if seen.rate <= 0 or (len(finished) >= _pace.LEAST and not any(finished)):
        stands = text("Nothing is finished at all: the size of a lot does not explain that")
        return ruled_out(stands, *evidence)
    times = usual_times(seen.lots, largest)
    compared = (*evidence, *_compared(seen.lots, largest, times))
    if times is not None and times < LARGER:
        usual = text(
            "The lot of {subsystem} is of its usual size, {times} × the median: the pace is what is wrong, if anything",
            subsystem=largest.subsystem or "—",
            times=round(times, 1),
        )
        return ruled_out(usual, *compared)
    return _confirmed(seen, largest, finished, times, compared)


def usual_times(lots: Iterable[Lot], batch: Batch) -> float | None:
    """How many times the median lot of its subsystem (else of its table) this one is, with what of it is done today.

    None where fewer than five are known.
    """
    same = [lot for lot in lots if lot.table == batch.table]
    own = [lot for lot in same if lot.subsystem_id == batch.subsystem_id]
    past = [lot for lot in same if not lot.today and lot.records >= SMALLEST]
    known = [lot.records for lot in past if lot in own]
    if len(known) < FEWEST:
        known = [lot.records for lot in past]
    if len(known) < FEWEST:
        return None
    whole = batch.waiting + sum(lot.records for lot in own if lot.today)
    return whole / statistics.median(known)


def _large(batches: Sequence[Batch], large: float) -> Batch | None:
    """The lot that stands out in its table."""
    if not batches:
        return None
    largest = max(batches, key=lambda batch: batch.waiting)
    return largest if largest.waiting >= large and largest.waiting >= DOMINATES * _ahead(batches, largest) else None


def _ahead(batches: Iterable[Batch], largest: Batch) -> int:
    """What waits in its table, of all subsystems: the consolidation takes the oldest first."""
    return sum(batch.waiting for batch in batches if batch.table == largest.table)


def _confirmed(
    seen: Seen, largest: Batch, finished: Sequence[int], times: float | None, evidence: Sequence[Evidence]
) -> Finding:
    ahead, now = _ahead(seen.batches, largest), clock.now()
    every = seen.paces[0].every if seen.paces else timedelta(0)
    estimate = _pace.estimate(ahead, finished, every)
    rate = estimate.rate if estimate else seen.rate
    done_at = now + (estimate.expected if estimate else timedelta(seconds=ahead / seen.rate))
    given = {
        "subsystem": largest.subsystem or "—",
        "records": _n(largest.waiting),
        "table": largest.table,
        "rate": per_second(round(rate, 1)),
        "done_at": done_at,
    }
    summary = text(
        "A lot of {subsystem} is being processed: {records} of {table} wait, {rate} are finished, done by {done_at}",
        **given,
    )
    if times is not None:
        summary = text(
            "A lot of {subsystem} is being processed, {times} × its median: {records} of {table} wait, {rate} are "
            "finished, done by {done_at}",
            times=round(times, 1),
            **given,
        )
    nothing = text("There is nothing to mend: it will be done by {done_at} if nothing more arrives", done_at=done_at)
    told = fact(_interval(estimate, now), "tbae009_respuesta")
    return confirmed(summary, told, *evidence, advice=(nothing,), done_at=done_at.isoformat())


def _interval(estimate: _pace.Estimate | None, now: datetime) -> Text:
    if estimate is None:
        return text("It is too early to say how sure that end is: the lot has only just begun")
    if estimate.latest is None:
        return text(
            "Not before {earliest}; the pace changes too much to say how much later", earliest=now + estimate.earliest
        )
    return text(
        "Between {earliest} and {latest}, nine times of ten, by how even the pace has been",
        earliest=now + estimate.earliest,
        latest=now + estimate.latest,
    )


def _compared(lots: Iterable[Lot], batch: Batch, times: float | None) -> Iterator[Evidence]:
    own = [lot for lot in lots if lot.table == batch.table and lot.subsystem_id == batch.subsystem_id]
    lines = (f"{lot.day}: {lot.records}" for lot in reversed(own) if lot.records >= SMALLEST)
    if times is None:
        few = text("Too few earlier lots are known to say what is usual (it takes {fewest})", fewest=FEWEST)
        yield fact(few, "tbae009_respuesta", lines)
        return
    said = text("With what of it is done today the lot is {times} × the median lot", times=round(times, 1))
    yield fact(said, "tbae009_respuesta", lines)


def _evidence(seen: Seen) -> tuple[Evidence, ...]:
    pace = text("The consolidation finishes {rate}", rate=per_second(seen.rate))
    waiting = sum(batch.waiting for batch in seen.batches)
    if seen.rate > 0 and waiting:
        pace = text(
            "The consolidation finishes {rate}: what waits is done by {done_at} if nothing more arrives",
            rate=per_second(seen.rate),
            done_at=clock.now() + timedelta(seconds=waiting / seen.rate),
        )
    return (fact(pace, "tbae009_respuesta"), _waiting(seen.batches))


def _slower(seen: Seen) -> Iterator[Evidence]:
    """The pace beside what it was whenever row ETL-03 could judge it."""
    level = _pace.demand(seen.paces, 1).level
    if level is None or len(seen.levels) < FEWEST:
        return
    said = text(
        "50,000 records take {level} at this pace; the median of {checks} earlier checks is {median}",
        level=level,
        checks=len(seen.levels),
        median=timedelta(seconds=statistics.median(seen.levels)),
    )
    yield fact(said, ROW)


def _waiting(batches: Iterable[Batch]) -> Evidence:
    batches = sorted(batches, key=lambda batch: -batch.waiting)
    total = sum(batch.waiting for batch in batches)
    share = 100 * batches[0].waiting / total if total else 0
    said = text("{records} wait, {share} of them in the largest lot", records=_n(total), share=percent(share))
    return fact(said, "tbae*", (f"{b.table}, {b.subsystem or '—'}: {b.waiting}" for b in batches))


def _n(count: int) -> Quantity:
    return Quantity(count, "records")
