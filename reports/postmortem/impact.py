"""How much an incident cost: minutes against each service level, and the most records that waited at once.

Counts of several objects are never added up: the same record may wait in a queue and then in a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from reports.levels import Level, measure
from reports.postmortem.case import Case, told
from runbook.model import BREACHED, Proof, Record
from runbook.text import Quantity, Text, Value

#: What a person waits for, in the nouns that rows count in.
_COUNTED = frozenset({"record", "records", "message", "messages"})
#: The period that a level's budget is counted over.
_MONTH = timedelta(days=30)


class Most(msgspec.Struct, frozen=True):
    """The largest count that a breached object was seen with: ``said`` is the row's own sentence with that number.

    ``object`` is empty where the sentence is that of a confirmed cause.
    """

    row: str
    object: str
    amount: Quantity
    said: Text
    at: datetime
    run: str


class Unmet(msgspec.Struct, frozen=True):
    """How long one level was not met, and how long nothing was seen of it; its budget is that of thirty days.

    ``own_limit`` is the site's own limit that it was judged against, where that is not the promise's.
    """

    name: str
    promise: Text
    rows: tuple[str, ...]
    bad: timedelta
    gap: timedelta
    budget: timedelta
    own_limit: str


def against_levels(case: Case) -> tuple[Unmet, ...]:
    """Each level over the time of the incident."""
    return tuple(_unmet(level, case) for level in case.levels)


def _unmet(level: Level, case: Case) -> Unmet:
    found = measure(
        level,
        case.judged,
        case.run_ends,
        case.began,
        case.began + _MONTH,
        until=max(case.until, case.began),
        stands_for=case.stands_for,
    )
    return Unmet(level.name, level.promise, level.rows, found.bad, found.gap, found.budget, level.own_limit)


def most_waiting(case: Case) -> tuple[Most, ...]:
    """The largest count of each breached object, largest first."""
    found: dict[tuple[str, str], Most] = {}
    for run, record in told(case):
        for one in _counts(record, run.id):
            known = found.get((one.row, one.object))
            if known is None or one.amount.value > known.amount.value:
                found[one.row, one.object] = one
    return tuple(sorted(found.values(), key=lambda one: (-one.amount.value, one.row, one.object)))


def _counts(record: Record, run: str) -> Iterator[Most]:
    """From the breached objects, and from the causes that are confirmed."""
    verdicts = (record.verdict, *((record.verification.verdict,) if record.verification else ()))
    for verdict in verdicts:
        for measured in verdict.measures:
            said = measured.summary or verdict.summary
            amount = _amount(measured.value, said) if measured.state in BREACHED else None
            if amount is not None:
                yield Most(record.row, measured.object, amount, said, verdict.judged_at, run)
    for finding in record.findings:
        amount = _amount(None, finding.summary) if finding.proof is Proof.CONFIRMED else None
        if amount is not None:
            yield Most(record.row, "", amount, finding.summary, record.verdict.judged_at, run)


def _amount(value: Value, said: Text) -> Quantity | None:
    """What was counted: the value itself or the largest count in its sentence; zero is none."""
    counts = (one for one in (value, *said.values.values()) if isinstance(one, Quantity) and one.unit in _COUNTED)
    return max((one for one in counts if one.value > 0), key=lambda one: one.value, default=None)
