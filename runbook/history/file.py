"""The file behind the history: its tables, how files of earlier versions come up to date, its errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook.errors import HistoryError

if TYPE_CHECKING:
    import sqlite3

#: An object's names stand once in ``series``: they were three quarters of the file when each measure repeated them.
#: A verdict's ``final`` is NULL where it is the first one, too.
_SERIES = (
    "CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, environment TEXT NOT NULL, row TEXT NOT NULL, "
    "object TEXT NOT NULL, UNIQUE (environment, row, object))"
)
_MEASURE = (
    "CREATE TABLE IF NOT EXISTS measure (series INTEGER NOT NULL, at REAL NOT NULL, value REAL NOT NULL, "
    "state TEXT NOT NULL, PRIMARY KEY (series, at)) WITHOUT ROWID"
)
_SCHEMA = f"""
{_SERIES};
{_MEASURE};
CREATE TABLE IF NOT EXISTS run (
    id TEXT PRIMARY KEY, environment TEXT NOT NULL, started_at REAL NOT NULL, ended_at REAL NOT NULL,
    worst TEXT NOT NULL, folder TEXT
);
CREATE INDEX IF NOT EXISTS run_by_start ON run (environment, started_at);
CREATE TABLE IF NOT EXISTS verdict (
    environment TEXT NOT NULL, row TEXT NOT NULL, at REAL NOT NULL, state TEXT NOT NULL,
    run TEXT NOT NULL DEFAULT '', final TEXT, waived INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS verdict_by_row ON verdict (environment, row, at);
CREATE INDEX IF NOT EXISTS verdict_by_time ON verdict (environment, at);
CREATE INDEX IF NOT EXISTS verdict_breached ON verdict (environment, at, row)
    WHERE coalesce(final, state) IN ('WARNING', 'CRITICAL') AND NOT waived;
CREATE TABLE IF NOT EXISTS attempt (
    environment TEXT NOT NULL, row TEXT NOT NULL, at REAL NOT NULL, run TEXT NOT NULL,
    targets TEXT NOT NULL DEFAULT '', outcome TEXT
);
CREATE TABLE IF NOT EXISTS night (
    environment TEXT NOT NULL, at REAL NOT NULL, run TEXT NOT NULL, worst TEXT NOT NULL, said TEXT,
    PRIMARY KEY (environment, at)
);
"""
#: What files of earlier versions lack; an attempt that names no target counts for all.
_LATER = (
    ("attempt", "targets", "TEXT NOT NULL DEFAULT ''"),
    ("attempt", "outcome", "TEXT"),
    ("verdict", "run", "TEXT NOT NULL DEFAULT ''"),
    ("verdict", "final", "TEXT"),
    ("verdict", "waived", "INTEGER NOT NULL DEFAULT 0"),
)
_NAMES_APART = (
    "ALTER TABLE measure RENAME TO measure_with_names",
    _SERIES,
    _MEASURE,
    "INSERT OR IGNORE INTO series (environment, row, object) SELECT DISTINCT environment, row, object "
    "FROM measure_with_names",
    "INSERT OR IGNORE INTO measure SELECT series.id, at, value, state FROM measure_with_names "
    "JOIN series USING (environment, row, object)",
    "DROP TABLE measure_with_names",
)


class HistoryFile:
    """One open file, for all threads of a process; several processes may have it open. None keeps it in memory."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._guard = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def all(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        """The rows a statement finds. Raises HistoryError."""
        with self._guard, self._errors():
            return self._open().execute(statement, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is kept, or nothing. Raises HistoryError."""
        with self._guard, self._errors(), self._open() as database:
            yield database

    def close(self) -> None:
        """Let go of the file. Closing twice is harmless."""
        with self._guard:
            if self._database is not None:
                self._database.close()
                self._database = None

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
            _bring_up_to_date(self._database)
            self._database.executescript(_SCHEMA)
        return self._database


def _bring_up_to_date(database: sqlite3.Connection) -> None:
    """What a file of an earlier version lacks. Looked at again under the lock: another process may have been first."""
    if not (_lacking(database) or _names_repeated(database)):
        return
    with database:
        database.execute("BEGIN IMMEDIATE")
        for table, column, kind in _lacking(database):
            database.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
        if _names_repeated(database):
            for statement in _NAMES_APART:
                database.execute(statement)


def _lacking(database: sqlite3.Connection) -> list[tuple[str, str, str]]:
    there = {table: _columns(database, table) for table, _column, _kind in _LATER}
    return [one for one in _LATER if there[one[0]] and one[1] not in there[one[0]]]


def _names_repeated(database: sqlite3.Connection) -> bool:
    return "environment" in _columns(database, "measure")


def _columns(database: sqlite3.Connection, table: str) -> set[str]:
    return {name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")}
