"""The purge waits for everybody: replicas, sessions in a queue for a lock, a backup, whatever the site asks for.

The reason is written into the batch's row, so that whoever watches the run sees it, wherever the work is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from procedures.purge.ledger import Ledger
from procedures.purge.ledger_structs import Batch
from runbook.settings import ThrottleSettings
from runbook.text import Text, text

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection

#: How often the reasons are looked for at most, and how long it waits before it looks again, seconds.
_LOOK, _PAUSE = 0.5, 0.25

_REASONS = """
SELECT
    (SELECT max(greatest(extract(epoch FROM replay_lag), 0)) FROM pg_stat_replication) AS replica_lag,
    (SELECT count(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()) AS lock_waiters,
    (SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'pg_dump' AND datname = current_database()) AS dumps
"""


class Throttle:
    """Paces the work of one connection."""

    def __init__(self, connection: Connection, ledger: Ledger, settings: ThrottleSettings) -> None:
        self._connection, self._ledger, self._settings = connection, ledger, settings
        self._looked, self._worked = float("-inf"), time.monotonic()

    def wait(self, batch: Batch) -> None:
        """Return when nothing speaks against the next chunk. Raises Fenced when the run was taken over meanwhile."""
        self._rest()
        if time.monotonic() - self._looked >= _LOOK:
            while (why := self.reason()) is not None:
                self._ledger.waits(batch, why)
                time.sleep(_PAUSE)
            self._looked = time.monotonic()
        self._worked = time.monotonic()

    def reason(self) -> Text | None:
        """Why to wait just now, the first reason that is found; None when there is none."""
        settings = self._settings
        if settings.pause_file is not None and settings.pause_file.exists():
            return text("paused by {file}", file=settings.pause_file)
        (row,) = self._connection.execute(_REASONS).fetchall()
        return _by_the_server(row, settings) or self._by_the_site()

    def _by_the_site(self) -> Text | None:
        if self._settings.sql is None:
            return None
        query: Any = self._settings.sql
        (row,) = self._connection.execute(query).fetchall()
        (value,) = row.values()
        if value is not None and float(value) <= self._settings.sql_limit:
            return None
        return text("throttle.sql gives {value}; the limit is {limit}", value=value, limit=self._settings.sql_limit)

    def _rest(self) -> None:
        """Stay idle in proportion to the work that was done since the last rest."""
        worked = time.monotonic() - self._worked
        if self._settings.duty < 1:
            time.sleep(worked * (1 / self._settings.duty - 1))


def _by_the_server(row: dict[str, Any], settings: ThrottleSettings) -> Text | None:
    lag = timedelta(seconds=float(row["replica_lag"] or 0))
    checks: tuple[tuple[bool, Callable[[], Text]], ...] = (
        (row["dumps"] > 0, lambda: text("pg_dump is running")),
        (
            lag > settings.replica_lag,
            lambda: text("a replica lags by {lag}; the limit is {limit}", lag=lag, limit=settings.replica_lag),
        ),
        (
            row["lock_waiters"] >= settings.lock_waiters,
            lambda: text("{count} sessions wait for locks", count=row["lock_waiters"]),
        ),
    )
    return next((why() for applies, why in checks if applies), None)
