"""Our rows as the engine judges them, and as the command does."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measure import COMMAND
from benchmarks.rows_postgres.peers import SERVICES
from runbook.errors import ProbeError
from runbook.limits import Limits, Threshold
from runbook.probes import Readings, reading_through
from runbook.targets.postgres.database import Database
from tests.runbook.targets.servers_postgres import PASSWORD, PostgresServer

ENVIRONMENT = "bench"
#: A state is held for a moment only; the peers are given the same limits.
_SECOND = Threshold(timedelta(seconds=1), timedelta(hours=1))
LIMITS: dict[str, Threshold] = {
    "DB-04": _SECOND,
    "DB-05": _SECOND,
    "DB-06": _SECOND,
    "DB-17": Threshold(warning=1e6, critical=1e10, unit="B"),
}
SETTINGS: dict[str, dict[str, Any]] = {
    "DB-09": {"least_bytes": 1 << 20},
    "DB-12": {"bytes_warning": 1 << 20},
    "DB-13": {"patience": timedelta(0)},
    "DB-16": {"least_transactions": 10},
}


class Past:
    """The counters that the last verdict kept, as of ten minutes ago."""

    elsewhere = None

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], float] = {}

    def samples(self, row: str, object: str, since: timedelta) -> Any:
        found = self.kept.get((row, object))
        return () if found is None else ((datetime.now(UTC) - timedelta(minutes=10), found),)


class Ours:
    """The rows on one server, with what they remember of it."""

    def __init__(self, server: PostgresServer, **settings: Any) -> None:
        self.database = Database("database", server.settings(**settings), environment=ENVIRONMENT, timezone="UTC")
        self._past = Past()

    def judged(self, row: str) -> tuple[str, str]:
        """Our verdict on a row, and its words."""
        from runbook.rows import find

        found = find(row)
        limits = Limits(LIMITS.get(row, found.threshold), {**found.settings, **SETTINGS.get(row, {})})
        targets = {"database": self.database, "history": self._past}
        try:
            found.check(limits=limits, **{name: targets[name] for name in found.targets})
        except ProbeError as error:
            return "UNKNOWN", str(error.said)
        verdict = limits.verdict()
        for measure in verdict.measures:
            if measure.object.endswith("(counter)"):
                self._past.kept[row, measure.object] = measure.value.value  # type: ignore[union-attr]
        return verdict.state.name, str(verdict.summary)


def judging(server: PostgresServer) -> float:
    """Seconds from asking to the last verdict of all rows in a run that has begun, connections included."""
    ours = Ours(server)
    wanted = rows()
    started = time.perf_counter()
    with reading_through(Readings()):
        for row in wanted:
            ours.judged(row)
    took = time.perf_counter() - started
    ours.database.close()
    return took


def rows() -> list[str]:
    """The rows that a peer has something for, and the others of the same sections."""
    from checks import configuration, database, indexes, rates, replication, sessions, upkeep  # noqa: F401
    from runbook.rows import declared

    asked = {row for services in SERVICES.values() for row in services}
    return [row.id for row in declared() if row.id.startswith("DB-") or row.id in asked]


def command(server: PostgresServer, home: Path) -> list[str]:
    """The whole command for the same rows, all reports included."""
    password = home / "password"
    password.write_text(PASSWORD)
    file = home / f"site-{server.port}.toml"
    file.write_text(
        f'[site]\nstate = "{home / "state"}"\nreports = "{home / "reports"}"\n[environments.{ENVIRONMENT}.database]\n'
        f'port = {server.port}\nreader = {{ user = "muses_reader", password = {{ file = "{password}" }} }}\n'
    )
    return [COMMAND, "check", "--settings", str(file), *rows()]
