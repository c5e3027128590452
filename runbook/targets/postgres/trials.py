"""Offering the planner indexes that do not exist, and comparing what it says.

Two ways to offer it one: HypoPG, which makes the planner believe in an index on the real table; and where that is not
installed, a sample of the table as a temporary one, with its indexes and fresh statistics, on which the index is built.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from runbook.targets.postgres.access import statement
from runbook.targets.postgres.candidates import Candidate, create_index_words
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.failures import blind
from runbook.targets.postgres.planner import askable, plan
from runbook.text import text

if TYPE_CHECKING:
    from psycopg import sql

_SAMPLE_ROWS = 50_000

#: What the planner is asked on behalf of one call of a statement, and how often the call does it.
Question = tuple[str, float]
Questions = tuple[Question, ...]


@dataclass(frozen=True)
class Answer:
    """What a call would cost with the indexes offered, and which of them it uses, by their place in the offer."""

    cost: float
    used: frozenset[int]


class Offer(Protocol):
    """Indexes that the planner believes in for a while."""

    @property
    def bytes(self) -> tuple[int, ...]:
        """Their sizes on the whole table."""

    def cost(self, questions: Questions) -> Answer | None:
        """What a call costs now; None when the planner cannot be asked."""


class Trial(Protocol):
    """A way to offer the planner indexes."""

    method: str

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Make ready for these; once, before anything is asked."""

    def cost(self, questions: Questions) -> float | None:
        """What a call costs as the tables stand; None when the planner cannot be asked."""

    def offered(self, candidates: Sequence[Candidate]) -> AbstractContextManager[Offer | None]:
        """These indexes as if they were there; None when the server refuses to make one."""


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

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Nothing: the real tables are there."""

    def cost(self, questions: Questions) -> float | None:
        """On the real tables."""
        answer = _asked(self._reader, questions, ())
        return None if answer is None else answer.cost

    @contextmanager
    def offered(self, candidates: Sequence[Candidate]) -> Iterator[Offer | None]:
        """On the real tables; the sizes are HypoPG's estimates."""
        made = [found for candidate in candidates if (found := self._made(candidate)) is not None]
        try:
            names, sizes = tuple(one["name"] for one in made), tuple(one["bytes"] for one in made)
            yield _Believed(self._reader, names, sizes) if len(made) == len(candidates) else None
        finally:
            for one in made:  # it outlives the transaction, not the session
                self._reader.rows(statement("hypopg_drop", drop=self._called("drop_index")), {"index": one["oid"]})

    def _made(self, candidate: Candidate) -> dict[str, Any] | None:
        schema = self._reader.access.settings.schema
        words = create_index_words(None, (schema, candidate.table), candidate.columns, candidate.where)
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
    """Real indexes on temporary copies of a part of each table; each copy is made once.

    A cost on the real tables is scaled by what the index leaves of the cost on the copies. That is cautious: an index
    saves a larger share of a larger table.
    """

    def __init__(self, reader: Line) -> None:
        self._reader = reader
        self._copied: dict[str, int] = {}
        self._costs: dict[Questions, tuple[float, float]] = {}
        self.method = ""

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Copy a part of each table."""
        for candidate in candidates:
            if candidate.table not in self._copied:
                self._copied[candidate.table] = max(self._copy(candidate), 1)
        self.method = f"sample of {max(self._copied.values(), default=0)} rows"

    def cost(self, questions: Questions) -> float | None:
        """On the real tables; the copies are asked too, while no index was offered on them yet."""
        real = _asked(self._reader, questions, ())
        small = _asked(self._reader, questions, (), sampled=True)
        if real is None or small is None:
            return None
        self._costs[questions] = real.cost, small.cost
        return real.cost

    @contextmanager
    def offered(self, candidates: Sequence[Candidate]) -> Iterator[Offer | None]:
        """On the copies."""
        with self._reader.connection.transaction(force_rollback=True):
            made = [size for candidate in candidates if (size := self._built(candidate)) is not None]
            names = tuple(candidate.name for candidate in candidates)
            yield _Tried(self._reader, names, tuple(made), self._costs) if len(made) == len(candidates) else None

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
            words = create_index_words(candidate.name, ("pg_temp", candidate.table), candidate.columns, candidate.where)
            self._reader.execute(words)
            size = int(self._reader.row(statement("sample_index_size"), {"name": candidate.name})["bytes"])
            return round(size * max(candidate.rows / self._copied[candidate.table], 1.0))
        return None


@dataclass(frozen=True)
class _Believed:
    reader: Line
    names: tuple[str, ...]
    bytes: tuple[int, ...]

    def cost(self, questions: Questions) -> Answer | None:
        return _asked(self.reader, questions, self.names)


@dataclass(frozen=True)
class _Tried:
    reader: Line
    names: tuple[str, ...]
    bytes: tuple[int, ...]
    costs: dict[Questions, tuple[float, float]]

    def cost(self, questions: Questions) -> Answer | None:
        known = self.costs.get(questions)
        answer = _asked(self.reader, questions, self.names, sampled=True)
        if known is None or answer is None:
            return None
        real, small = known
        return Answer(real * min(answer.cost / max(small, 1e-9), 1.0), answer.used)


def _asked(reader: Line, questions: Questions, names: tuple[str, ...], *, sampled: bool = False) -> Answer | None:
    cost, used = 0.0, set[str]()
    for words, times in questions:
        found = plan(reader, words, sampled=sampled)
        if found is None:
            return None
        cost, used = cost + found.cost * times, used | found.indexes
    return Answer(cost, frozenset(place for place, name in enumerate(names) if name in used))


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
