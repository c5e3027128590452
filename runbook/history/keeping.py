"""A finished run as rows of the history's tables, and what is let go of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from runbook.limits import number
from runbook.model import Record, Run, final, is_waived
from runbook.text import Quantity, Value

if TYPE_CHECKING:
    import sqlite3

#: Environment, row and object; the moment, the value and the state.
_Named = tuple[tuple[str, str, str], tuple[float, float, str]]


def keep_verdicts(database: sqlite3.Connection, environment: str, run: Run) -> None:
    """Each row's verdict, at first and at the end, in place of what was kept of the run before."""
    database.execute(
        "DELETE FROM verdict WHERE environment = ? AND run = ? AND at >= ?",
        (environment, run.id, _began(run).timestamp()),
    )
    database.executemany(
        "INSERT INTO verdict VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(environment, *_verdict(run, record)) for record in run.records],
    )


def keep_measures(database: sqlite3.Connection, environment: str, run: Run) -> None:
    """Each object's value once: of two measures of an object, the worse comes first and stays."""
    measures = [found for record in run.records for found in _measures(environment, record)]
    database.executemany(
        "INSERT OR IGNORE INTO series (environment, row, object) VALUES (?, ?, ?)", [names for names, _ in measures]
    )
    database.executemany(
        "INSERT OR IGNORE INTO measure SELECT id, ?, ?, ? FROM series WHERE environment = ? AND row = ? AND object = ?",
        [(*found, *names) for names, found in measures],
    )


def let_go(database: sqlite3.Connection, environment: str, oldest: float) -> None:
    """Verdicts and measures from before, and the names of objects that have none any more."""
    database.execute("DELETE FROM verdict WHERE environment = ? AND at < ?", (environment, oldest))
    database.execute(
        "DELETE FROM measure WHERE at < ? AND series IN (SELECT id FROM series WHERE environment = ?)",
        (oldest, environment),
    )
    database.execute(
        "DELETE FROM series WHERE environment = ? AND NOT EXISTS (SELECT 1 FROM measure WHERE series = id)",
        (environment,),
    )


def _began(run: Run) -> datetime:
    """When what it says now was looked at: earlier looks of a watch were kept as they came."""
    return run.samples[-1].at if run.samples else run.started_at


def _verdict(run: Run, record: Record) -> tuple[str, float, str, str, str | None, bool]:
    first, last = record.verdict, final(record).state
    changed = last if last is not first.state else None
    return record.row, first.judged_at.timestamp(), first.state, run.id, changed, is_waived(record)


def _measures(environment: str, record: Record) -> Iterator[_Named]:
    at = record.verdict.judged_at.timestamp()
    for measure in record.verdict.measures:
        value = _numeric(measure.value)
        if value is not None:
            yield (environment, record.row, measure.object), (at, value, measure.state)


def _numeric(value: Value) -> float | None:
    if isinstance(value, Quantity):
        return value.value
    return number(value) if isinstance(value, int | float) else None
