"""The target ``purge`` as a test tells it: tables, what is due in them, and the runs there were."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from procedures.purge.facts import PurgedTable, PurgeRun, Purges, Staged, StagedTable, TableDue
from runbook.text import Text, text
from tests.checks.fakes import Told, now

DAY = timedelta(days=1)
TABLE = "tbae001_inscripcion"
CHILDREN = ("tbae009_respuesta", "tbae010_error")
GB = 10**9
REASON = text("{table} has no primary key", table=TABLE)


class Purge(Told):
    """A purge that may take half of a table unconfirmed, with ninety days of retention."""

    most_percent = 50.0

    def retention(self, table: str) -> timedelta:
        return 90 * DAY

    def fingerprint(self) -> dict[str, Any]:
        return {"run": None, "oldest": {TABLE: "2026-06-01"}}


def staged(*refused: Text, gigabytes: float = 1.0, **changes: Any) -> Staged:
    """The enrolments and what belongs to them; ``refused`` is why the enrolments are not purged."""
    records = StagedTable(table=TABLE, rows=1_000_000, bytes=round(gigabytes * GB), refused=refused)
    plain: dict[str, Any] = {
        "host": "127.0.0.1",
        "database": "sep_muses",
        "schema": "muses_dev",
        "database_bytes": 5 * GB,
        "data_directory": "/var/lib/postgresql/17/main",
        "tables": (records, *(StagedTable(table=name, rows=0, bytes=0) for name in CHILDREN)),
    }
    return Staged(**{**plain, **changes})


def due(qualifying: int = 100, *, age: timedelta = 120 * DAY, table: str = TABLE, **changes: Any) -> TableDue:
    """Enrolments that are past their retention, all of them processed; none with ``due(0)``."""
    plain: dict[str, Any] = {
        "table": table,
        "retention": 90 * DAY,
        "rows": 1000,
        "overdue": qualifying,
        "qualifying": qualifying,
        "held": 0,
        "timeless": 0,
        "unprocessed": {},
        "oldest": now() - age if qualifying else None,
    }
    return TableDue(**{**plain, **changes})


def run(ago: timedelta, *tables: PurgedTable, finished: bool = True) -> PurgeRun:
    """A run of the purge that began some time ago and took a minute, or stopped."""
    began = now() - ago
    ended = began + timedelta(minutes=1) if finished else None
    return PurgeRun(id="20261101T090000Z-ab12", started_at=began, finished_at=ended, tables=tables)


def purged(table: str = TABLE, *refused: Text, **changes: Any) -> PurgedTable:
    """How far a run came with a table."""
    plain = {"state": "REFUSED" if refused else "DONE", "refused": refused, "deleted": 0, "changed": 0}
    return PurgedTable(table=table, **{**plain, **changes})


def purges(newest: PurgeRun | None = None, *, at_work: bool = False) -> Purges:
    """What the ledger knows."""
    return Purges(newest=newest, at_work=at_work)
