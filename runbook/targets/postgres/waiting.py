"""What the database does for about a second: several looks at who waits for what, counters around them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from runbook.learnt import learnt
from runbook.targets.postgres.access import APPLICATION, statement
from runbook.targets.postgres.activity import own_roles, seeing
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.load_structs import Checkpoints, Load, Throughput, Waits, WaitShare
from runbook.targets.sql_text import normalised

#: Looks at the sessions in one span.
LOOKS = 10
#: Shares that are told; the rest is in the sum.
_MOST = 40
#: From this version on checkpoints are counted in a view of their own.
_CHECKPOINTER = 170000

#: Application, role, kind and event of the wait, statement: what is counted.
Key = tuple[str, str, str, str, str]


def load(reader: Line, span: timedelta, pause: Callable[[float], None] = time.sleep) -> Load:
    """One look that takes ``span``. Raises ProbeError(BLIND) without sight of other sessions."""
    seeing(reader)
    before = reader.row(statement("database_counters"))
    waits = _waits(reader, span, pause)
    after = reader.row(statement("database_counters"))
    return Load(waits=waits, throughput=_between(before, after), checkpoints=_checkpoints(reader))


def _waits(reader: Line, span: timedelta, pause: Callable[[float], None]) -> Waits:
    """Looks at even distances; one that is late is not made up for."""
    counted: Counter[Key] = Counter()
    hidden = 0
    started = time.monotonic()
    for look in range(LOOKS):
        pause(max(0.0, started + span.total_seconds() * look / (LOOKS - 1) - time.monotonic()))
        rows = reader.rows(statement("waits"), {"application": APPLICATION, "roles": list(own_roles(reader))})
        hidden = max(hidden, sum(row["sessions"] for row in rows if row["hidden"]))
        for row in rows:
            if not row["hidden"]:
                counted[_key(row)] += row["sessions"]
    shares = tuple(_share(key, count) for key, count in counted.most_common(_MOST))
    return Waits(
        looks=LOOKS,
        span=timedelta(seconds=time.monotonic() - started),
        sessions=counted.total() / LOOKS,
        hidden=hidden,
        shares=shares,
    )


def _key(row: dict[str, Any]) -> Key:
    return row["application"], row["role"], row["kind"], row["event"], normalised(row["query"])


def _share(key: Key, count: int) -> WaitShare:
    application, role, kind, event, query = key
    return WaitShare(application=application, role=role, kind=kind, event=event, query=query, sessions=count / LOOKS)


def _between(before: dict[str, Any], after: dict[str, Any]) -> Throughput:
    """What was added; a counter that fell was reset in between, and what it shows is new."""

    def grown(name: str) -> int:
        return int(after[name] - before[name] if after[name] >= before[name] else after[name])

    totals = ("blocks_hit", "blocks_read", "temp_files", "temp_bytes")
    return Throughput(
        span=after["now"] - before["now"],
        transactions=grown("commits") + grown("rollbacks"),
        wal_bytes=grown("wal_bytes"),
        rollbacks=grown("rollbacks"),
        counted_since=after["counted_since"],
        **{name: grown(name) for name in totals},
        **{f"total_{name}": after[name] for name in totals},
    )


def checkpoints_statement(reader: Line) -> str:
    """Which statement tells of the checkpoints of this server's version."""
    new = reader.connection.info.server_version >= _CHECKPOINTER
    return "checkpoints" if new else "checkpoints_before_17"


def _checkpoints(reader: Line) -> Checkpoints:
    return msgspec.convert(reader.row(statement(checkpoints_statement(reader))), learnt(Checkpoints))
