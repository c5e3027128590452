"""The state of the whole server, of its sequences and of its large tables: one round trip each for many rows."""

from __future__ import annotations

import time
from datetime import timedelta

from runbook.targets.postgres.access import APPLICATION, statement
from runbook.targets.postgres.activity import own_roles, shown
from runbook.targets.postgres.connection import Line, structs
from runbook.targets.postgres.health_structs import (
    Archive,
    Bloat,
    Counters,
    Prepared,
    Sequence,
    Sequences,
    Server,
    Setting,
)
from runbook.targets.postgres.load_structs import Checkpoints, FrozenAge
from runbook.targets.postgres.upkeep import LEAST_PACE, REPLICATION, followed
from runbook.targets.postgres.waiting import checkpoints_statement

#: Sequences emptier than this are counted, not named; of the large tables so many are looked at, the largest first.
LEAST_PERCENT, MOST_TABLES = 50, 200


def server(reader: Line) -> Server:
    """The server as it is now. Raises ProbeError(BLIND) without pg_monitor."""
    ours = {"application": APPLICATION, "roles": list(own_roles(reader))}
    started = time.monotonic()
    (found,), counters, archive, checkpoints, ages, prepared, settings, *replication = reader.together(
        ("server", ours),
        ("counters", {}),
        ("archive", {}),
        (checkpoints_statement(reader), {}),
        ("frozen_ages", {"least": LEAST_PACE}),
        ("prepared", {}),
        ("configuration", {"names": list(reader.access.settings.baseline)}),
        *((name, {}) for name in REPLICATION),
    )
    took = timedelta(seconds=time.monotonic() - started)
    shown(reader, found)
    return Server(
        **{name: value for name, value in found.items() if name not in ("sees", "role")},
        took=took,
        counters=structs(Counters, counters),
        archive=structs(Archive, archive)[0],
        checkpoints=structs(Checkpoints, checkpoints)[0],
        ages=structs(FrozenAge, ages),
        replication=followed(*replication),
        prepared=structs(Prepared, prepared),
        settings=structs(Setting, settings),
    )


def sequences(reader: Line) -> Sequences:
    """The sequences of the schema, those that have used most of their numbers first."""
    schema = reader.access.settings.schema
    found = reader.row(statement("sequences"), {"schema": schema, "least": LEAST_PERCENT})
    return Sequences(count=found["count"], hidden=tuple(found["hidden"]), fullest=structs(Sequence, found["fullest"]))


def bloat(reader: Line, least_bytes: int) -> tuple[Bloat, ...]:
    """The tables of the schema that have at least so many bytes, those with most spare room first."""
    asked = {"schema": reader.access.settings.schema, "bytes": least_bytes, "most": MOST_TABLES}
    return reader.structs(Bloat, statement("bloat"), asked)
