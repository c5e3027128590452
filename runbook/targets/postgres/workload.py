"""What the database spends its time on: statements by the server's own count, and the tables' statistics."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from runbook.errors import ProbeError
from runbook.redact import masked_text
from runbook.targets.postgres.access import statement
from runbook.targets.postgres.activity import own_roles, seeing
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.failures import blind
from runbook.targets.postgres.structs import Statement, TableStats
from runbook.targets.sql_text import normalised
from runbook.text import text

if TYPE_CHECKING:
    from psycopg import sql

    Counters = dict[str, dict[str, Any]]

#: Statements that anybody will look at, and more than the server keeps.
_MOST, _ALL = 50, 10_000


def statements(reader: Line) -> tuple[Statement, ...]:
    """The statements that took most time since the statistics were reset."""
    return tuple(_statement(row) for row in _rows(reader, None))


def counters(reader: Line) -> Counters:
    """The counters of all statements by id. Raises ProbeError(BLIND) where they cannot be seen."""
    query = statement("statement_counters", counters=_statistics(reader))
    return {row["id"]: row for row in reader.rows(query, {"own": list(own_roles(reader))})}


def grown(reader: Line, before: Counters) -> tuple[Statement, ...]:
    """What the statements did since ``before``, most time first; those that did nothing are left out."""
    deltas = {id: _delta(row, before.get(id)) for id, row in counters(reader).items()}
    busiest = sorted((id for id, delta in deltas.items() if delta["calls"]), key=lambda id: -deltas[id]["milliseconds"])
    texts = {row["id"]: row["query"] for row in _rows(reader, busiest[:_MOST])} if busiest else {}
    return tuple(_statement({**deltas[id], "id": id, "query": texts[id]}) for id in busiest if id in texts)


def unmasked(reader: Line) -> dict[str, str]:
    """The statements that the planner can be asked about, by their ids and by what is shown of them.

    What is shown has lost more than its values: ``curp = p.curp`` looks like a student's CURP and is masked. The texts
    given here hold no values either, and are for the server only, never for showing.
    """
    found: dict[str, str] = {}
    for row in reader.rows(statement("running_texts"), {"own": list(own_roles(reader))}):
        shape = normalised(row["query"])
        found[masked_text(shape)] = shape
    try:
        counted = _rows(reader, None, most=_ALL)
    except ProbeError:
        return found  # not counted: what runs now is all there is
    for row in counted:
        found[row["id"]] = found[masked_text(normalised(row["query"]))] = row["query"]
    return found


def log_line_prefix(reader: Line) -> str:
    """The setting as the server runs with it."""
    return str(reader.row(statement("log_line_prefix"))["prefix"])


def tables(reader: Line) -> tuple[TableStats, ...]:
    """The statistics of every table of the schema, those read most by scans first."""
    return reader.structs(TableStats, statement("table_stats"), {"schema": reader.access.settings.schema})


def _rows(reader: Line, ids: list[str] | None, most: int = _MOST) -> list[dict[str, Any]]:
    query = statement("statements", statements=_statistics(reader))
    return reader.rows(query, {"own": list(own_roles(reader)), "ids": ids, "most": most})


def _statistics(reader: Line) -> sql.Composable:
    from psycopg import sql

    schema = seeing(reader)["statements_schema"]
    if schema is None:
        words = text(
            "No statistics of statements: put pg_stat_statements into shared_preload_libraries, restart the server, "
            "and run CREATE EXTENSION pg_stat_statements in {database}",
            database=reader.access.settings.name,
        )
        raise blind(reader.access, words)
    return sql.Identifier(schema, "pg_stat_statements")


def _delta(after: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Counters that fell were reset in between: then everything counted since is new."""
    if before is None or after["calls"] < before["calls"]:
        return after
    return {name: after[name] - before[name] for name in ("calls", "milliseconds", "rows")}


def _statement(row: dict[str, Any]) -> Statement:
    total = timedelta(milliseconds=row["milliseconds"])
    return Statement(
        id=row["id"],
        query=normalised(row["query"]),
        calls=row["calls"],
        total=total,
        mean=total / max(row["calls"], 1),
        rows=row["rows"],
    )
