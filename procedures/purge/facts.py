"""What the rows of the runbook are told of the purge: frozen facts, times aware and in UTC, sizes bytes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from runbook.text import Text


class StagedTable(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange table: ``rows`` is an estimate, ``bytes`` are with indexes, ``refused`` forbids the purge of it."""

    table: str
    rows: int
    bytes: int
    refused: tuple[Text, ...] = ()


class Staged(msgspec.Struct, frozen=True, kw_only=True):
    """All exchange tables and where they lie. ``data_directory`` is None where the reader is not shown it."""

    host: str
    database: str
    schema: str
    database_bytes: int
    data_directory: str | None
    tables: tuple[StagedTable, ...]

    @property
    def bytes(self) -> int:
        """All of them together."""
        return sum(table.bytes for table in self.tables)


class TableDue(msgspec.Struct, frozen=True, kw_only=True):
    """What of the ``rows`` of one table of records has outlived its ``retention``.

    Of the ``overdue`` records ``qualifying`` ones are to go, ``held`` ones are processed but kept by a hold, and
    ``unprocessed`` counts the rest by status. ``timeless`` ones have no finite time and are never overdue. ``oldest``
    is the time of the oldest that is to go.
    """

    table: str
    retention: timedelta
    rows: int
    overdue: int
    qualifying: int
    held: int
    timeless: int
    unprocessed: dict[str, int]
    oldest: datetime | None

    @property
    def due_since(self) -> datetime | None:
        """Since when something of it is to go."""
        return self.oldest and self.oldest + self.retention


class PurgedTable(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run came with one table; ``changed`` rows were not as archived any more and stayed."""

    table: str
    state: str
    refused: tuple[Text, ...]
    deleted: int
    changed: int
    waiting: Text | None = None


class PurgeRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the purge as its ledger knows it; ``finished_at`` is None where it stopped or still works."""

    id: str
    started_at: datetime
    finished_at: datetime | None
    tables: tuple[PurgedTable, ...] = ()


class Purges(msgspec.Struct, frozen=True, kw_only=True):
    """The newest run, None where no purge ever ran here, and whether one is ``at_work`` just now."""

    newest: PurgeRun | None = None
    at_work: bool = False


class Purging(Protocol):
    """What rows ask of the target ``purge``; they never see the procedure that stands behind it."""

    @property
    def most_percent(self) -> float:
        """The share of a table that may go without a person's confirmation."""

    def retention(self, table: str) -> timedelta:
        """How long the records of a table stay."""

    def staged(self) -> Staged:
        """The exchange tables as they stand."""

    def due(self) -> tuple[TableDue, ...]:
        """What has outlived its retention."""

    def purges(self) -> Purges:
        """What the purge has done."""

    def fingerprint(self) -> dict[str, Any]:
        """What must still be so when the purge begins."""
