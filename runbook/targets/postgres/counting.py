"""How often each statement ran, for weighing; unlike ``workload`` it keeps the texts, which are never shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runbook.targets.postgres.access import statement
from runbook.targets.postgres.activity import own_roles
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.planner import askable
from runbook.targets.postgres.questions import Counted

_ALL = 10_000


@dataclass(frozen=True)
class Count:
    """What the server counted, by the statements' texts, and over how many seconds; None where it does not say."""

    statements: dict[str, Counted]
    seconds: float | None = None


def counted(reader: Line, seen: dict[str, Any]) -> Count:
    """Everything that is counted; nothing where the extension is not there or not loaded."""
    from psycopg import errors, sql

    if seen["statements_schema"] is None:
        return Count({})
    view = {"statements": sql.Identifier(seen["statements_schema"], "pg_stat_statements")}
    given = {"own": list(own_roles(reader)), "ids": None, "most": _ALL}
    try:
        rows = reader.rows(statement("statements", **view), given)
    except errors.ObjectNotInPrerequisiteState:
        return Count({})
    return Count(_by_text(rows), _seconds(reader, seen["statements_schema"]))


def _by_text(rows: list[dict[str, Any]]) -> dict[str, Counted]:
    """One statement has several ids where its values came as other types: a small number, a larger one."""
    found: dict[str, Counted] = {}
    for row in rows:
        known = found.get(row["query"], Counted(0))
        calls = (known.calls or 0) + row["calls"]
        found[row["query"]] = Counted(calls, known.rows + row["rows"], known.milliseconds + row["milliseconds"])
    return found


def _seconds(reader: Line, schema: str) -> float | None:
    """Since the last reset; versions of the extension before 1.9 do not tell."""
    from psycopg import sql

    with askable(reader):
        info = sql.Identifier(schema, "pg_stat_statements_info")
        return float(reader.row(statement("statements_since", info=info))["seconds"])
    return None
