"""Offering the planner an index that does not exist, and comparing what it says.

Two ways to offer it one: HypoPG, which makes the planner believe in an index on the real table; and where that is not
installed, a sample of the table as a temporary one, with its indexes and fresh statistics, on which the index is built.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from runbook.targets.postgres.access import statement
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.failures import blind
from runbook.targets.postgres.planner import askable, plan
from runbook.text import text

if TYPE_CHECKING:
    from psycopg import sql

#: What our indexes' names begin with: no other may be dropped by us.
OUR_INDEX = "ix_muses_"
_SAMPLE_ROWS = 50_000
_LONGEST_NAME = 63  # bytes


@dataclass(frozen=True)
class Candidate:
    """A table of the schema and the columns of an index on it; ``rows`` is the planner's estimate."""

    table: str
    table_oid: int
    rows: float
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the index would be called; a name too long for the server ends in a hash."""
        name = f"{OUR_INDEX}{self.table}_{'_'.join(self.columns)}"
        if len(name.encode()) <= _LONGEST_NAME:
            return name
        short = name.encode()[: _LONGEST_NAME - 9].decode("utf-8", "ignore")
        return f"{short}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Answer:
    """What the planner says of one statement and one candidate; ``uses_it`` is False when it prefers none."""

    cost_before: float
    cost_after: float
    uses_it: bool
    bytes: int


class Trial(Protocol):
    """A way to offer the planner an index."""

    method: str

    def offer(self, question: str, candidate: Candidate) -> Answer | None:
        """What changes with the index; None when the planner cannot be asked about this statement."""


@contextmanager
def trial(reader: Line, seen: dict[str, Any]) -> Iterator[Trial]:
    """The best way there is, in a transaction that leaves nothing behind. Raises ProbeError(BLIND) where none is."""
    hypopg = seen["hypopg_schema"]
    if hypopg is not None:
        with reader.connection.transaction(force_rollback=True):
            yield HypoPG(reader, hypopg)
        return
    _prove_temporary(reader, seen)
    # A temporary table is a change to a read-only transaction, though nobody else can see it. What keeps the reader
    # from changing anything else is what it is granted, which is SELECT.
    reader.connection.read_only = False
    try:
        with reader.connection.transaction(force_rollback=True):
            yield Sample(reader)
    finally:
        reader.connection.read_only = None


class HypoPG:
    """Hypothetical indexes on the real tables."""

    method = "hypopg"

    def __init__(self, reader: Line, schema: str) -> None:
        self._reader, self._schema = reader, schema

    def offer(self, question: str, candidate: Candidate) -> Answer | None:
        """Costs on the real table; the index's size is HypoPG's estimate."""
        before = plan(self._reader, question)
        made = self._made(candidate)
        if before is None or made is None:
            return None
        after = plan(self._reader, question) or before
        # It outlives the transaction, not the session.
        self._reader.rows(statement("hypopg_drop", drop=self._called("drop_index")), {"index": made["oid"]})
        return Answer(before.cost, after.cost, made["name"] in after.indexes, made["bytes"])

    def _made(self, candidate: Candidate) -> dict[str, Any] | None:
        schema = self._reader.access.settings.schema
        words = create_index_words(None, (schema, candidate.table), candidate.columns)
        names = {name: self._called(name) for name in ("create_index", "relation_size")}
        with askable(self._reader):
            return self._reader.row(
                statement("hypopg_create", **names), {"sql": words.as_string(self._reader.connection)}
            )
        return None

    def _called(self, function: str) -> sql.Identifier:
        from psycopg import sql

        return sql.Identifier(self._schema, f"hypopg_{function}")


class Sample:
    """Real indexes on temporary copies of a part of each table; each copy is made once."""

    def __init__(self, reader: Line) -> None:
        self._reader = reader
        self._copied: dict[str, int] = {}
        self.method = ""

    def offer(self, question: str, candidate: Candidate) -> Answer | None:
        """The cost on the real table, and the share of it that the index leaves on the sample."""
        real = plan(self._reader, question)
        rows = self._rows(candidate)
        self.method = f"sample of {rows} rows"
        before = plan(self._reader, question, sampled=True)
        with self._reader.connection.transaction(force_rollback=True):
            size = self._built(candidate)
            after = plan(self._reader, question, sampled=True)
        if real is None or before is None or after is None or size is None:
            return None
        share = after.cost / max(before.cost, 1e-9)
        whole = round(size * candidate.rows / rows)
        return Answer(real.cost, real.cost * share, candidate.name in after.indexes, whole)

    def _rows(self, candidate: Candidate) -> int:
        """How many rows the table's copy has; at least 1."""
        if candidate.table not in self._copied:
            self._copied[candidate.table] = max(self._copy(candidate), 1)
        return self._copied[candidate.table]

    def _copy(self, candidate: Candidate) -> int:
        from psycopg import sql

        names = {
            "sample": sql.Identifier("pg_temp", candidate.table),
            "table": sql.Identifier(self._reader.access.settings.schema, candidate.table),
            "percent": sql.Literal(min(100.0, 100.0 * _SAMPLE_ROWS / max(candidate.rows, 1.0))),
            "most": sql.Literal(_SAMPLE_ROWS),
        }
        self._reader.execute(statement("sample_table", **names))
        copied = self._reader.execute(statement("sample_rows", **names))
        self._reader.execute(statement("sample_statistics", **names))
        return copied

    def _built(self, candidate: Candidate) -> int | None:
        with askable(self._reader):
            table = ("pg_temp", candidate.table)
            self._reader.execute(create_index_words(candidate.name, table, candidate.columns))
            return int(self._reader.row(statement("sample_index_size"), {"name": candidate.name})["bytes"])
        return None


def create_index_words(
    name: str | None, table: tuple[str, str], columns: tuple[str, ...], *, concurrently: bool = False
) -> sql.Composed:
    """The statement that builds an index; without a name the server would choose one."""
    from psycopg import sql

    return statement(
        "index",
        how=sql.SQL("CONCURRENTLY" if concurrently else ""),
        name=sql.Identifier(name) if name else sql.SQL(""),
        table=sql.Identifier(*table),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
    )


def _prove_temporary(reader: Line, seen: dict[str, Any]) -> None:
    """Raise ProbeError(BLIND) where there is neither HypoPG nor a way to make a temporary table."""
    if seen["in_recovery"] or not seen["may_use_temporary"]:
        words = text(
            "No way to prove an index: run CREATE EXTENSION hypopg, or on a primary "
            "GRANT TEMPORARY ON DATABASE {database} TO {role}",
            database=reader.access.settings.name,
            role=seen["role"],
        )
        raise blind(reader.access, words)
