"""How fast the consolidation is, and how large its lots have been: from the answers that it wrote.

A lot has no number of its own in the tables. What is taken for one is what one subsystem sent in a day for one table.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import accumulate
from typing import Any

import msgspec

from runbook.learnt import learnt
from runbook.targets.postgres.access import statement
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.exchange import ExchangeTable, tables, unfinished, window_of
from runbook.targets.postgres.load_structs import Lot, Pace


def pace(reader: Line, zone: str, window: timedelta, every: timedelta) -> tuple[Pace, ...]:
    """Each exchange table over the window, in the order of the settings."""
    intervals = round(window / every)
    given = {**window_of(reader, zone, window), "seconds": every.total_seconds(), "intervals": intervals}
    return tuple(_pace(reader, table, given, every) for table in tables(reader))


def lots(reader: Line, zone: str, days: int) -> tuple[Lot, ...]:
    """The lots of the last days and of today, by exchange table, oldest first."""
    given = {"zone": zone, "days": days, "unfinished": unfinished(reader)}
    return tuple(lot for table in tables(reader) for lot in _lots(reader, table, given))


def _pace(reader: Line, table: ExchangeTable, given: dict[str, Any], every: timedelta) -> Pace:
    """Interval ``n`` from now is the last but ``n``; what is older than all of them stood ready at the first."""
    intervals = given["intervals"]
    came, finished = Counter[int](), Counter[int]()
    for row in reader.rows(statement("pace", **table.names()), given):
        (came if row["kind"] == "came" else finished)[row["ago"]] += row["records"]
    done = [finished[ago] for ago in range(intervals - 1, -1, -1)]
    arrived = [came[ago] for ago in range(intervals - 1, -1, -1)]
    changes = (come - gone for come, gone in zip(arrived, done, strict=True))
    standing = list(accumulate(changes, initial=came[intervals] - finished[intervals]))
    return Pace(
        table=table.name,
        every=every,
        finished=tuple(done),
        waiting=tuple(max(0, count) for count in standing[:-1]),
        unfinished=max(0, standing[-1]),
    )


def _lots(reader: Line, table: ExchangeTable, given: dict[str, Any]) -> tuple[Lot, ...]:
    rows = reader.rows(statement("lots", **table.names()), given)
    return tuple(msgspec.convert({**row, "table": table.name}, learnt(Lot)) for row in rows)
