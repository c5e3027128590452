"""Runs, measures and attempts over time, in SQLite: growth and trends need a memory between runs.

A history that cannot be opened never stops a check: reading it says so (rows that need it are UNKNOWN), and the
policy then lets nothing act.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from runbook.errors import HistoryError
from runbook.limits import number
from runbook.model import Record, Run, State
from runbook.text import Quantity, Value

if TYPE_CHECKING:
    import sqlite3

#: How long measures are kept; runs and attempts stay.
KEPT = timedelta(days=400)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (
    id TEXT PRIMARY KEY, environment TEXT NOT NULL, started_at REAL NOT NULL, ended_at REAL NOT NULL,
    worst TEXT NOT NULL, folder TEXT
);
CREATE TABLE IF NOT EXISTS measure (
    environment TEXT NOT NULL, row TEXT NOT NULL, object TEXT NOT NULL, at REAL NOT NULL,
    value REAL NOT NULL, state TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS measure_by_object ON measure (environment, row, object, at);
CREATE TABLE IF NOT EXISTS verdict (
    environment TEXT NOT NULL, row TEXT NOT NULL, at REAL NOT NULL, state TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS verdict_by_row ON verdict (environment, row, at);
CREATE TABLE IF NOT EXISTS attempt (
    environment TEXT NOT NULL, row TEXT NOT NULL, at REAL NOT NULL, run TEXT NOT NULL,
    targets TEXT NOT NULL DEFAULT '', outcome TEXT
);
"""
#: What files of earlier versions lack; an attempt that names no target counts for all.
_LATER = {
    "targets": "ALTER TABLE attempt ADD COLUMN targets TEXT NOT NULL DEFAULT ''",
    "outcome": "ALTER TABLE attempt ADD COLUMN outcome TEXT",
}

Samples = tuple[tuple[datetime, float], ...]


class Attempt(NamedTuple):
    """A remedy that was tried: ``outcome`` is a Proven, None where the run did not live to see it."""

    at: datetime
    run: str
    targets: tuple[str, ...]
    outcome: str | None


class Elsewhere(Protocol):
    """Something that kept measures while no run did, such as Prometheus."""

    def past(self, quantity: str, object: str, since: timedelta) -> Samples:
        """What it kept of one quantity, oldest first. Raises ProbeError."""
        ...


class History:
    """The history of one environment. ``file`` None keeps it in memory, for tests and replays.

    ``elsewhere`` is asked where a row has too few samples of its own; None where the site has nothing of the kind.
    """

    name = "history"
    elsewhere: Elsewhere | None = None

    def __init__(self, file: Path | None, environment: str) -> None:
        self._file, self._environment = file, environment
        self._guard = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def samples(self, row: str, object: str, since: timedelta) -> Samples:
        """Earlier measures of one object, oldest first; empty when there are none. Raises HistoryError."""
        after = datetime.now(UTC).timestamp() - since.total_seconds()
        found = self._all(
            "SELECT at, value FROM measure WHERE environment = ? AND row = ? AND object = ? AND at >= ? ORDER BY at",
            (self._environment, row, object, after),
        )
        return tuple((_moment(at), value) for at, value in found)

    def attempts(self, row: str, since: timedelta) -> tuple[datetime, ...]:
        """When a remedy of the row was tried, oldest first. Raises HistoryError."""
        after = datetime.now(UTC).timestamp() - since.total_seconds()
        found = self._all(
            "SELECT at FROM attempt WHERE environment = ? AND row = ? AND at >= ? ORDER BY at",
            (self._environment, row, after),
        )
        return tuple(_moment(at) for (at,) in found)

    def attempts_of_all_rows(self, since: timedelta) -> tuple[datetime, ...]:
        """When any row's remedy was tried, oldest first: what a budget for the night counts. Raises HistoryError."""
        after = datetime.now(UTC).timestamp() - since.total_seconds()
        found = self._all(
            "SELECT at FROM attempt WHERE environment = ? AND at >= ? ORDER BY at", (self._environment, after)
        )
        return tuple(_moment(at) for (at,) in found)

    def breached_since(self, row: str) -> datetime | None:
        """When the breach that the last run saw began; None when the last run saw none. Raises HistoryError."""
        found = self._all(
            "SELECT at, state FROM verdict WHERE environment = ? AND row = ? ORDER BY at DESC LIMIT 1000",
            (self._environment, row),
        )
        began = None
        for at, state in found:
            if state not in (State.WARNING, State.CRITICAL):
                break
            began = _moment(at)
        return began

    def runs(self, limit: int = 20) -> list[tuple[str, datetime, str, str]]:
        """The newest runs: id, start, worst state, folder of the reports. Raises HistoryError."""
        found = self._all(
            "SELECT id, started_at, worst, coalesce(folder, '') FROM run WHERE environment = ? "
            "ORDER BY started_at DESC LIMIT ?",
            (self._environment, limit),
        )
        return [(id, _moment(at), worst, folder) for id, at, worst, folder in found]

    def ledger(self, row: str, targets: Collection[str], since: timedelta) -> tuple[Attempt, ...]:
        """When a remedy of the row was tried on any of these targets and what came of it, oldest first.

        Raises HistoryError.
        """
        after = datetime.now(UTC).timestamp() - since.total_seconds()
        found = self._all(
            "SELECT at, run, targets, outcome FROM attempt WHERE environment = ? AND row = ? AND at >= ? ORDER BY at",
            (self._environment, row, after),
        )
        tried = [Attempt(_moment(at), run, tuple(on.split()), outcome) for at, run, on, outcome in found]
        return tuple(one for one in tried if not one.targets or not targets or set(one.targets) & set(targets))

    def note_attempt(self, row: str, run: str, targets: Collection[str] = ()) -> None:
        """Remember that a remedy is about to be tried on these targets. Raises HistoryError: then it must not be."""
        with self._writing() as database:
            database.execute(
                "INSERT INTO attempt (environment, row, at, run, targets) VALUES (?, ?, ?, ?, ?)",
                (self._environment, row, _now(), run, " ".join(sorted(targets))),
            )

    def note_outcome(self, row: str, run: str, outcome: str) -> None:
        """Remember what came of the run's attempt. Raises HistoryError."""
        with self._writing() as database:
            database.execute(
                "UPDATE attempt SET outcome = ? WHERE environment = ? AND row = ? AND run = ? AND outcome IS NULL",
                (outcome, self._environment, row, run),
            )

    def keep(self, run: Run, worst: State, folder: Path | None) -> None:
        """Keep a finished run with its measures, and let go of measures that are too old. Raises HistoryError."""
        measures = [m for record in run.records for m in self._measures(record)]
        verdicts = [(self._environment, r.row, r.verdict.judged_at.timestamp(), r.verdict.state) for r in run.records]
        with self._writing() as database:
            database.execute(
                "INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?)",
                (
                    run.id,
                    self._environment,
                    run.started_at.timestamp(),
                    run.ended_at.timestamp(),
                    worst,
                    str(folder) if folder else None,
                ),
            )
            database.executemany("INSERT INTO measure VALUES (?, ?, ?, ?, ?, ?)", measures)
            database.executemany("INSERT INTO verdict VALUES (?, ?, ?, ?)", verdicts)
            database.execute("DELETE FROM measure WHERE at < ?", (_now() - KEPT.total_seconds(),))

    def close(self) -> None:
        """Let go of the file. Closing twice is harmless."""
        with self._guard:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _measures(self, record: Record) -> Iterator[tuple[str, str, str, float, float, str]]:
        for measure in record.verdict.measures:
            value = _numeric(measure.value)
            if value is not None:
                at = record.verdict.judged_at.timestamp()
                yield self._environment, record.row, measure.object, at, value, measure.state

    def _all(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._guard, self._errors():
            return self._open().execute(statement, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._guard, self._errors(), self._open() as database:
            yield database

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import sqlite3

        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise HistoryError(
                f"the history {self._file or 'in memory'} cannot be used: {error}; set site.state to a folder "
                "that can be written"
            ) from error

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        if self._database is None:
            if self._file is not None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self._file or ":memory:", timeout=5, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_SCHEMA)
            _bring_up_to_date(self._database)
        return self._database


def _bring_up_to_date(database: sqlite3.Connection) -> None:
    there = {name for _, name, *_ in database.execute("PRAGMA table_info(attempt)")}
    for column, words in _LATER.items():
        if column not in there:
            database.execute(words)


def _numeric(value: Value) -> float | None:
    if isinstance(value, Quantity):
        return value.value
    return number(value) if isinstance(value, int | float) else None


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _now() -> float:
    return datetime.now(UTC).timestamp()
