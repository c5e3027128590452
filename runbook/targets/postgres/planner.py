"""Asking the planner what a statement would cost, whatever its values, without running it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from runbook.targets.postgres.access import statement
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.plannable import parameter_count


@dataclass(frozen=True)
class Plan:
    """The planner's cost for all rows, how many it expects, and the names of the indexes that it would use."""

    cost: float
    rows: float
    indexes: frozenset[str]


def plan(reader: Line, question: str, *, sampled: bool = False) -> Plan | None:
    """The generic plan of a statement, whatever its values; None when it cannot be planned as it stands.

    PREPARE takes exactly one statement that reads or writes rows, and the extended protocol refuses a second one
    behind it: text from a log can do nothing here. It works on every version, where EXPLAIN (GENERIC_PLAN) needs 16.
    """
    from psycopg import sql

    values = sql.SQL(", ").join([sql.NULL] * parameter_count(question))
    given = sql.SQL("({})").format(values) if parameter_count(question) else sql.SQL("")
    reader.execute(statement("planning_path"), {"schema": reader.access.settings.schema, "sampled": sampled})
    reader.execute(sql.SQL("DEALLOCATE ALL"))
    with askable(reader):
        prepare = sql.SQL("PREPARE muses_question AS ") + sql.SQL(question)
        reader.connection.execute(prepare, binary=True)
        (top,) = reader.row(statement("generic_plan", given=given))["QUERY PLAN"]
        return Plan(top["Plan"]["Total Cost"], top["Plan"]["Plan Rows"], frozenset(_indexes(top["Plan"])))
    return None


@contextmanager
def askable(reader: Line) -> Iterator[None]:
    """Leave the block where the server does not understand the statement; a missing right is another matter."""
    import psycopg

    with suppress(_NotUnderstood), reader.connection.transaction():
        try:
            yield
        except psycopg.errors.InsufficientPrivilege:
            raise
        except (psycopg.ProgrammingError, psycopg.NotSupportedError, psycopg.DataError) as error:
            raise _NotUnderstood from error


class _NotUnderstood(Exception):
    """The server does not understand the statement as it stands."""


def _indexes(node: dict[str, Any]) -> Iterator[str]:
    if "Index Name" in node:
        yield node["Index Name"]
    for inner in node.get("Plans", ()):
        yield from _indexes(inner)
