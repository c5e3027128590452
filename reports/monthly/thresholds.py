"""The thresholds held against the month: which fired, which never did and how near they came, which saw nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from reports.figures import amount
from reports.monthly.month import PROCEDURES, Month, in_month, newest, title
from runbook.history import Judged
from runbook.model import BREACHED, Measure, Record, State, final
from runbook.text import Quantity, Text, Value


class Nearest(msgspec.Struct, frozen=True):
    """The value of the month that came nearest to its warning: ``share`` is 100 at the limit, more beyond it."""

    object: str
    value: Value
    warning: Value
    critical: Value
    share: float


class Contrast(msgspec.Struct, frozen=True):
    """One row's month. ``judged`` counts what could be judged; ``unknown`` what could not be seen.

    ``nearest`` is None where no number is held against a limit, or none is remembered.
    """

    row: str
    title: Text
    judged: int
    warnings: int
    criticals: int
    unknown: int
    skipped: int
    first_at: datetime | None
    nearest: Nearest | None

    @property
    def fired(self) -> int:
        """How many judgements were beyond a limit, whatever was done about it then."""
        return self.warnings + self.criticals


def contrasts(month: Month) -> tuple[Contrast, ...]:
    """Every row that was judged in the month: those that fired most first."""
    known, rows = newest(month), _by_row(in_month(month))
    near = _nearest(month, known)
    found = (_contrast(row, judged, title(row, known), near.get(row)) for row, judged in rows.items())
    return tuple(sorted(found, key=lambda one: (-one.criticals, -one.warnings, one.row)))


def _by_row(judged: Iterable[Judged]) -> dict[str, list[Judged]]:
    found: dict[str, list[Judged]] = {}
    for one in judged:
        if one.row not in PROCEDURES:
            found.setdefault(one.row, []).append(one)
    return found


def _contrast(row: str, judged: list[Judged], named: Text, near: Nearest | None) -> Contrast:
    counts = Counter(one.state for one in judged)
    return Contrast(
        row=row,
        title=named,
        judged=counts[State.OK] + counts[State.WARNING] + counts[State.CRITICAL],
        warnings=counts[State.WARNING],
        criticals=counts[State.CRITICAL],
        unknown=counts[State.UNKNOWN],
        skipped=counts[State.SKIPPED],
        first_at=next((one.at for one in judged if one.state in BREACHED), None),
        nearest=near,
    )


def _nearest(month: Month, known: dict[str, Record]) -> dict[str, Nearest]:
    """Of each row the measure nearest to its warning, by the limits that the newest run of the row had."""
    limits = {(row, one.object): one for row, record in known.items() for one in _limited(record)}
    found: dict[str, Nearest] = {}
    for one in month.measures:
        limit = limits.get((one.row, one.object))
        share = _share(one.value, limit) if limit else None
        if limit and share is not None and (one.row not in found or share > found[one.row].share):
            found[one.row] = Nearest(one.object, _as(limit.value, one.value), limit.warning, limit.critical, share)
    return found


def _limited(record: Record) -> Iterator[Measure]:
    for verdict in (record.verdict, final(record)):
        yield from (one for one in verdict.measures if amount(one.warning) is not None)


def _share(value: float, limit: Measure) -> float | None:
    """How far on the way to its warning a value is, in percent; None where zero is the limit or the value."""
    warning = amount(limit.warning)
    if warning is None or warning <= 0 or (limit.direction == "below" and value <= 0):
        return None
    return round(100 * (value / warning if limit.direction == "above" else warning / value), 1)


def _as(like: Value, value: float) -> Value:
    """A remembered number in the unit that its row has."""
    return Quantity(value, like.unit) if isinstance(like, Quantity) else value
