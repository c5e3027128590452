"""Which runs were nightly ones: what the calendar of nights shows, and what retention may let go of."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from runbook.history.file import HistoryFile
from runbook.model import State
from runbook.settings import NightlySettings
from runbook.text import Text


class Night(NamedTuple):
    """One environment's night. ``run`` is empty where there was none, and ``said`` then why; ``folder`` may be, too."""

    at: datetime
    run: str
    worst: State
    said: Text | None
    folder: str


class Nights:
    """The nights of one environment, in the file of its history. Each method raises HistoryError."""

    def __init__(self, file: Path, environment: str) -> None:
        self._file, self._environment = HistoryFile(file), environment

    def note(self, at: datetime, run: str, worst: State, said: Text | None = None) -> None:
        """Remember a night; one of the same moment is replaced."""
        words = msgspec.json.encode(said).decode() if said else None
        with self._file.writing() as database:
            database.execute(
                "INSERT OR REPLACE INTO night VALUES (?, ?, ?, ?, ?)",
                (self._environment, at.timestamp(), run, worst, words),
            )

    def all(self) -> tuple[Night, ...]:
        """Every night that was not forgotten, oldest first."""
        found = self._file.all(
            "SELECT at, run, night.worst, said, coalesce(folder, '') FROM night LEFT JOIN run ON run.id = night.run "
            "WHERE night.environment = ? ORDER BY at",
            (self._environment,),
        )
        return tuple(
            Night(datetime.fromtimestamp(at, UTC), run, State(worst), _text(said), folder)
            for at, run, worst, said, folder in found
        )

    def forget(self, nights: Collection[Night]) -> None:
        """Forget nights whose reports are gone."""
        with self._file.writing() as database:
            database.executemany(
                "DELETE FROM night WHERE environment = ? AND at = ?",
                [(self._environment, night.at.timestamp()) for night in nights],
            )

    def close(self) -> None:
        """Let go of the file. Closing twice is harmless."""
        self._file.close()


def expired(nights: tuple[Night, ...], settings: NightlySettings, now: datetime) -> tuple[Night, ...]:
    """The nights past what the site keeps, oldest first; never the newest one. Pure."""
    older = nights[:-1]
    if settings.kept_nights is not None:
        return older[: max(0, len(nights) - settings.kept_nights)]
    return tuple(night for night in older if night.at < now - settings.kept_time)


def _text(said: str | None) -> Text | None:
    return msgspec.json.decode(said, type=Text) if said else None
