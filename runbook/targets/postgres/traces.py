"""How far a step at the database got, by what the database is like now. Reads only, as the reader."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from runbook import traces
from runbook.model import Step
from runbook.targets.postgres.access import statement
from runbook.targets.postgres.connection import Line
from runbook.text import text
from runbook.traces import Trace


def trace_of(reader: Line, step: Step, since: datetime) -> Trace:
    """Of ``end_session``, ``create_index``, ``drop_index``, ``analyze``; of what else there is, unknown."""
    match step.operation:
        case "end_session":
            return _session(reader, step.arguments)
        case "create_index" | "drop_index":
            return _index(reader, step.arguments["name"], wanted=step.operation == "create_index")
        case "analyze":
            return _analysis(reader, step.arguments["table"], since)
        case _:
            return traces.unknown()


def _session(reader: Line, wanted: dict[str, Any]) -> Trace:
    rows = reader.rows(statement("session_facts"), {"pid": wanted["pid"]})
    if any(not row["seen"] or row["backend_start"] is None for row in rows):
        return traces.unknown(text("Other sessions are hidden from the reader: GRANT pg_monitor TO it"))
    if not any(row["backend_start"] == _moment(wanted["backend_start"]) for row in rows):
        return traces.done(text("Session {pid} is gone", pid=wanted["pid"]))
    return traces.not_done(text("Session {pid} is still there", pid=wanted["pid"]))


def _index(reader: Line, name: str, *, wanted: bool) -> Trace:
    rows = reader.rows(statement("index_facts"), {"schema": reader.access.settings.schema, "name": name})
    if not rows:
        said = text("There is no index {name}", name=name)
        return traces.not_done(said) if wanted else traces.done(said)
    if not rows[0]["valid"]:
        return traces.halfway(text("Index {name} is there and not valid: its build or drop did not end", name=name))
    said = text("Index {name} is there and valid", name=name)
    return traces.done(said) if wanted else traces.not_done(said)


def _analysis(reader: Line, table: str, since: datetime) -> Trace:
    given = {"schema": reader.access.settings.schema, "table": table}
    rows = reader.rows(statement("table_facts"), given)
    if not rows:
        return traces.unknown(text("There is no table {schema}.{table}", **given))
    last = rows[0]["last_analyze"]
    if last is not None and last >= since:
        return traces.done(text("{table} was analysed at {at}", table=table, at=last))
    return traces.not_done(text("{table} was not analysed since", table=table))


def _moment(given: datetime | str) -> datetime:
    return datetime.fromisoformat(given) if isinstance(given, str) else given
