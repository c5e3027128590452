"""What the server must keep up with lest it stops: cleaning, freezing, and those that follow it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from runbook.errors import ProbeError, ProbeFailure
from runbook.targets.postgres.access import APPLICATION, statement
from runbook.targets.postgres.activity import own_roles, seeing, shown
from runbook.targets.postgres.connection import Line, structs
from runbook.targets.postgres.load_structs import (
    FrozenAge,
    HorizonHolder,
    Replication,
    Slot,
    Standby,
    TableDebt,
    Vacuuming,
    VacuumWorker,
)
from runbook.targets.sql_text import normalised
from runbook.text import text

#: A pace over less than this says nothing.
LEAST_PACE = timedelta(seconds=20)
#: What tells of those that follow.
REPLICATION = ("slots", "standbys", "kept_wal")

Rows = list[dict[str, Any]]


def vacuuming(reader: Line) -> Vacuuming:
    """Whether autovacuum keeps up. Raises ProbeError(ABSENT) on a standby, where dead rows are not counted."""
    names = ("seeing", "vacuum_settings", "vacuum_workers", "vacuum_debts")
    (sight,), (given,), workers, debts = reader.together(*((name, {}) for name in names))
    shown(reader, sight)
    if given.pop("in_recovery"):
        words = text("A standby counts no dead rows: ask the primary")
        raise ProbeError(reader.access.target, ProbeFailure.ABSENT, words)
    return Vacuuming(
        **given,
        workers=structs(VacuumWorker, workers),
        debts=structs(TableDebt, debts),
    )


def frozen_ages(reader: Line) -> tuple[FrozenAge, ...]:
    """How far each database is from the end of its numbers, the farthest on its way first."""
    return reader.structs(FrozenAge, statement("frozen_ages"), {"least": LEAST_PACE})


def horizon(reader: Line) -> tuple[HorizonHolder, ...]:
    """Who keeps dead rows from being removed, the oldest first."""
    seeing(reader)
    rows = reader.rows(statement("horizon"), {"application": APPLICATION, "roles": list(own_roles(reader))})
    return tuple(_holder(row) for row in rows)


def replication(reader: Line) -> Replication:
    """Slots and standbys, those that lag most first."""
    (sight,), *found = reader.together(("seeing", {}), *((name, {}) for name in REPLICATION))
    shown(reader, sight)
    return followed(*found)


def followed(slots: Rows, standbys: Rows, kept: Rows) -> Replication:
    """Replication as its statements tell it."""
    return Replication(
        slots=structs(Slot, slots), standbys=structs(Standby, standbys), kept_at_most=kept[0]["kept_at_most"]
    )


def _holder(row: dict[str, Any]) -> HorizonHolder:
    return HorizonHolder(**{**row, "query": normalised(row["query"])})
