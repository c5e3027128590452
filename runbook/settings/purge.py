"""The purge: what goes, what is held, what makes it wait."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import msgspec

from runbook.settings.words import Size, Strict


class Hold(Strict, frozen=True, kw_only=True):
    """Records that are never purged while this stands: by uuid, by subsystem, by time; all that is given must hold.

    ``since`` and ``until`` bound the record's time in the site's zone, ``until`` excluded. ``why`` is for people.
    """

    uuid: str | None = None
    subsystem: int | None = None
    since: date | None = None
    until: date | None = None
    why: str = ""

    def __post_init__(self) -> None:
        if self.uuid is None and self.subsystem is None and self.since is None and self.until is None:
            raise ValueError("give at least one of uuid, subsystem, since, until: a hold on everything is no purge")


class ThrottleSettings(Strict, frozen=True, kw_only=True):
    """What makes the purge wait. ``sql`` is one statement that returns one number, too much above ``sql_limit``."""

    replica_lag: timedelta = timedelta(seconds=10)
    lock_waiters: int = 2
    duty: float = 1.0
    sql: str | None = None
    sql_limit: float = 0.0
    pause_file: Path | None = None

    def __post_init__(self) -> None:
        if not 0 < self.duty <= 1:
            raise ValueError("duty is the share of the time at work: above 0, at most 1")


class PurgeSettings(Strict, frozen=True, kw_only=True):
    """The purge of the exchange tables (Guía de Operaciones §4.1).

    ``retention_days`` of a table overrides ``database.retention_days``. ``executor`` is ``threads`` or the address of
    a Dask scheduler, ``dask://host:8786``. ``max_percent`` and ``max_growth`` are exceeded only when confirmed.
    """

    tables: tuple[str, ...] = ("tbae*",)
    retention_days: dict[str, int] = {}
    processed_statuses: tuple[str, ...] = ("PROCESADO", "ERROR")
    holds: tuple[Hold, ...] = ()
    state_schema: str = "muses_runbook"
    batch_rows: int = 200_000
    batch_bytes: Size = Size(32 * 1024**2)
    chunk_rows: int = 5_000
    executor: str = "threads"
    workers: int = 3
    max_percent: float = 50.0
    max_growth: float = 3.0
    newest_backup: timedelta = timedelta(hours=26)
    build_missing_indexes: bool = False
    throttle: ThrottleSettings = msgspec.field(default_factory=ThrottleSettings)
