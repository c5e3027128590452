"""Runs, measures and attempts over time, in SQLite: growth and trends need a memory between runs.

A history that cannot be opened never stops a check: reading it says so (rows that need it are UNKNOWN), and the
policy then lets nothing act.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from runbook.history import keeping
from runbook.history.file import HistoryFile
from runbook.model import Run, State

#: How long verdicts and measures are kept; runs and attempts stay.
KEPT = timedelta(days=400)
_STATES = {str(state): state for state in State}

Samples = tuple[tuple[datetime, float], ...]


class Attempt(NamedTuple):
    """A remedy that was tried: ``outcome`` is a Proven, None where the run did not live to see it."""

    at: datetime
    run: str
    targets: tuple[str, ...]
    outcome: str | None


class Judged(NamedTuple):
    """What a run said of a row: ``state`` at first, ``final`` at its end, ``waived`` where somebody answers for it.

    ``run`` is empty for what earlier versions kept: they knew only the first state, and ``final`` is that one, too.
    """

    run: str
    row: str
    at: datetime
    state: State
    final: State
    waived: bool


class Kept(NamedTuple):
    """A run: ``worst`` is its state at its end, ``folder`` where its reports were written, empty where nowhere."""

    id: str
    started_at: datetime
    ended_at: datetime
    worst: State
    folder: str


class Measured(NamedTuple):
    """One object's value, in the unit of its row (seconds for times, bytes for sizes), and what it was judged."""

    row: str
    object: str
    at: datetime
    value: float
    state: State


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
        self._file, self.environment = HistoryFile(file), environment

    def samples(self, row: str, object: str, since: timedelta) -> Samples:
        """Earlier measures of one object, oldest first; empty when there are none. Raises HistoryError."""
        found = self._file.all(
            "SELECT at, value FROM measure WHERE at >= ? AND series = "
            "(SELECT id FROM series WHERE environment = ? AND row = ? AND object = ?) ORDER BY at",
            (_after(since), self.environment, row, object),
        )
        return tuple((_moment(at), value) for at, value in found)

    def attempts(self, row: str, since: timedelta) -> tuple[datetime, ...]:
        """When a remedy of the row was tried, oldest first. Raises HistoryError."""
        found = self._file.all(
            "SELECT at FROM attempt WHERE environment = ? AND row = ? AND at >= ? ORDER BY at",
            (self.environment, row, _after(since)),
        )
        return tuple(_moment(at) for (at,) in found)

    def attempts_of_all_rows(self, since: timedelta) -> tuple[datetime, ...]:
        """When any row's remedy was tried, oldest first: what a budget for the night counts. Raises HistoryError."""
        found = self._file.all(
            "SELECT at FROM attempt WHERE environment = ? AND at >= ? ORDER BY at", (self.environment, _after(since))
        )
        return tuple(_moment(at) for (at,) in found)

    def breached_since(self, row: str) -> datetime | None:
        """When the breach that the last run left began; None when it left none. Raises HistoryError."""
        found = self._file.all(
            "SELECT at, coalesce(final, state) FROM verdict WHERE environment = ? AND row = ? "
            "ORDER BY at DESC LIMIT 1000",
            (self.environment, row),
        )
        began = None
        for at, state in found:
            if state not in (State.WARNING, State.CRITICAL):
                break
            began = _moment(at)
        return began

    def verdicts(self, since: timedelta, row: str | None = None) -> tuple[Judged, ...]:
        """What runs said of the rows, or of one, oldest first; empty when there were none. Raises HistoryError."""
        return self._judged("AND row = ?" if row else "", (_after(since), *([row] if row else [])))

    def troubled(self, since: timedelta) -> tuple[Judged, ...]:
        """The verdicts of those rows only that were breached since, not waived: all that incidents are told from.

        Oldest first. Raises HistoryError.
        """
        breached = "SELECT row FROM verdict WHERE environment = ? AND at >= ? AND coalesce(final, state) IN "
        return self._judged(
            f"AND row IN ({breached} ('WARNING', 'CRITICAL') AND NOT waived)",
            (_after(since), self.environment, _after(since)),
        )

    def kept(self, since: timedelta) -> tuple[Kept, ...]:
        """The runs begun since, oldest first. Raises HistoryError."""
        found = self._file.all(
            "SELECT id, started_at, ended_at, worst, coalesce(folder, '') FROM run "
            "WHERE environment = ? AND started_at >= ? ORDER BY started_at",
            (self.environment, _after(since)),
        )
        return tuple(Kept(id, _moment(a), _moment(b), _STATES[worst], folder) for id, a, b, worst, folder in found)

    def measures(self, since: timedelta, row: str | None = None) -> tuple[Measured, ...]:
        """The measures of the rows, or of one, oldest first; empty when there were none. Raises HistoryError.

        A year of all rows is half a million: ask for one row, or a short time.
        """
        found = self._file.all(
            "SELECT row, object, at, value, state FROM series JOIN measure ON series = id "
            f"WHERE environment = ? AND at >= ? {'AND row = ?' if row else ''} ORDER BY at",
            (self.environment, _after(since), *([row] if row else [])),
        )
        return tuple(Measured(row, object, _moment(at), value, _STATES[s]) for row, object, at, value, s in found)

    def runs(self, limit: int = 20) -> list[tuple[str, datetime, str, str]]:
        """The newest runs: id, start, worst state, folder of the reports. Raises HistoryError."""
        found = self._file.all(
            "SELECT id, started_at, worst, coalesce(folder, '') FROM run WHERE environment = ? "
            "ORDER BY started_at DESC LIMIT ?",
            (self.environment, limit),
        )
        return [(id, _moment(at), worst, folder) for id, at, worst, folder in found]

    def ledger(self, row: str, targets: Collection[str], since: timedelta) -> tuple[Attempt, ...]:
        """When a remedy of the row was tried on any of these targets and what came of it, oldest first.

        Raises HistoryError.
        """
        found = self._file.all(
            "SELECT at, run, targets, outcome FROM attempt WHERE environment = ? AND row = ? AND at >= ? ORDER BY at",
            (self.environment, row, _after(since)),
        )
        tried = [Attempt(_moment(at), run, tuple(on.split()), outcome) for at, run, on, outcome in found]
        return tuple(one for one in tried if not one.targets or not targets or set(one.targets) & set(targets))

    def note_attempt(self, row: str, run: str, targets: Collection[str] = ()) -> None:
        """Remember that a remedy is about to be tried on these targets. Raises HistoryError: then it must not be."""
        with self._file.writing() as database:
            database.execute(
                "INSERT INTO attempt (environment, row, at, run, targets) VALUES (?, ?, ?, ?, ?)",
                (self.environment, row, _now(), run, " ".join(sorted(targets))),
            )

    def note_outcome(self, row: str, run: str, outcome: str) -> None:
        """Remember what came of the run's attempt. Raises HistoryError."""
        with self._file.writing() as database:
            database.execute(
                "UPDATE attempt SET outcome = ? WHERE environment = ? AND row = ? AND run = ? AND outcome IS NULL",
                (outcome, self.environment, row, run),
            )

    def keep(self, run: Run, worst: State, folder: Path | None) -> None:
        """Keep a finished run with its verdicts and measures, and let go of what is too old. Raises HistoryError.

        A run that is kept again replaces what was kept of it.
        """
        kept = (run.id, self.environment, run.started_at.timestamp(), run.ended_at.timestamp(), worst)
        with self._file.writing() as database:
            database.execute(
                "INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?)", (*kept, str(folder) if folder else None)
            )
            keeping.keep_verdicts(database, self.environment, run)
            keeping.keep_measures(database, self.environment, run)
            keeping.let_go(database, self.environment, _after(KEPT))

    def close(self) -> None:
        """Let go of the file. Closing twice is harmless."""
        self._file.close()

    def _judged(self, more: str, values: tuple[object, ...]) -> tuple[Judged, ...]:
        found = self._file.all(
            "SELECT run, row, at, state, coalesce(final, state), waived FROM verdict "
            f"WHERE environment = ? AND at >= ? {more} ORDER BY at",
            (self.environment, *values),
        )
        return tuple(
            Judged(run, row, _moment(at), _STATES[state], _STATES[final], bool(waived))
            for run, row, at, state, final, waived in found
        )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _after(since: timedelta) -> float:
    return _now() - since.total_seconds()
