"""Whether one subsystem's lot is what keeps the rest waiting, and when it will be done. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from checks._found import confirmed, fact, ruled_out
from runbook.model import Evidence, Finding
from runbook.text import Quantity, per_second, percent, text

if TYPE_CHECKING:
    from runbook.targets.postgres.structs import Batch

#: The share of what waits in a table that belongs to one subsystem when its lot is the cause: twelve share otherwise.
DOMINATES = 0.6


def very_large(batches: Sequence[Batch], rate: float, *, large: float) -> Finding:
    """``rate`` is what is finished a second, ``large`` the records from which on a lot is large."""
    if not batches:
        return ruled_out(text("No record waits"), *_evidence(batches, rate))
    largest = max(batches, key=lambda batch: batch.waiting)
    ahead = sum(batch.waiting for batch in batches if batch.table == largest.table)
    if largest.waiting < large or largest.waiting < DOMINATES * ahead:
        return ruled_out(text("No subsystem's lot stands out among what waits"), *_evidence(batches, rate))
    if rate <= 0:
        stands = text("Nothing is finished at all: the size of a lot does not explain that")
        return ruled_out(stands, *_evidence(batches, rate))
    done_at = _done_at(ahead, rate)
    summary = text(
        "A lot of {subsystem} is being processed: {records} of {table} wait, {rate} are finished, done by {done_at}",
        subsystem=largest.subsystem or "—",
        records=_n(largest.waiting),
        table=largest.table,
        rate=per_second(rate),
        done_at=done_at,
    )
    nothing = text("There is nothing to mend: it will be done by {done_at} if nothing more arrives", done_at=done_at)
    return confirmed(summary, *_evidence(batches, rate), advice=(nothing,), done_at=done_at.isoformat())


def _done_at(records: int, rate: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=records / rate)


def _evidence(batches: Sequence[Batch], rate: float) -> tuple[Evidence, ...]:
    pace = text("The consolidation finishes {rate}", rate=per_second(rate))
    waiting = sum(batch.waiting for batch in batches)
    if rate > 0 and waiting:
        pace = text(
            "The consolidation finishes {rate}: what waits is done by {done_at} if nothing more arrives",
            rate=per_second(rate),
            done_at=_done_at(waiting, rate),
        )
    return (fact(pace, "tbae009_respuesta"), _waiting(batches))


def _waiting(batches: Iterable[Batch]) -> Evidence:
    batches = sorted(batches, key=lambda batch: -batch.waiting)
    total = sum(batch.waiting for batch in batches)
    share = 100 * batches[0].waiting / total if total else 0
    said = text("{records} wait, {share} of them in the largest lot", records=_n(total), share=percent(share))
    return fact(said, "tbae*", (f"{b.table}, {b.subsystem or '—'}: {b.waiting}" for b in batches))


def _n(count: int) -> Quantity:
    return Quantity(count, "records")
