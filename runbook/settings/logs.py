"""The logs."""

from __future__ import annotations

from datetime import timedelta

from runbook.settings.words import Size, Strict


class LogsSettings(Strict, frozen=True, kw_only=True):
    """Where the services and the database write their logs."""

    window: timedelta = timedelta(minutes=5)
    max_bytes: Size = Size(4 * 1024**2)
    database: tuple[str, ...] = ()
    services: dict[str, tuple[str, ...]] = {}
