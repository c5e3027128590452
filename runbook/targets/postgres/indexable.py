"""What is known of the tables that may get an index, and the candidates that a statement wishes for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from runbook.targets.postgres.access import statement
from runbook.targets.postgres.candidates import Candidate, Where
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.counting import Count
from runbook.targets.postgres.grammar import lookups_by_grammar
from runbook.targets.postgres.planner import askable
from runbook.targets.postgres.predicates import Lookups, assigned, lookups
from runbook.targets.postgres.questions import STATUS, Asked, ForeignKey

_STATUSES = "ctmu011_estatus_procesamiento"


@dataclass(frozen=True)
class Table:
    """One table: planner's estimates, what was written in the seconds counted, and the columns that UPDATEs set."""

    table: str
    table_oid: int
    rows: float
    bytes: int
    columns: tuple[str, ...]
    inserted: int
    updated: int
    hot_updated: int
    counted_seconds: float
    indexed: tuple[tuple[str, ...], ...] = ()
    distinct: dict[str, float] | None = None
    sets: frozenset[str] = frozenset()

    def has(self, columns: tuple[str, ...], equal: Iterable[str]) -> bool:
        """Whether a valid index begins with these columns; in any order where all are compared by equality."""
        for index in self.indexed:
            leading = index[: len(columns)]
            if leading == columns or (set(leading) == set(columns) <= set(equal)):
                return True
        return False


@dataclass(frozen=True)
class Known:
    """The tables by name, the foreign keys without an index, and the numbers of the unfinished statuses.

    ``share`` makes what was written comparable with the calls that were counted, over another time.
    """

    tables: dict[str, Table]
    keys: tuple[ForeignKey, ...]
    statuses: tuple[int, ...]
    schema: str
    share: float = 1.0

    @classmethod
    def of(cls, reader: Line, count: Count) -> Known:
        """By the catalogue and the server's statistics. Reads only."""
        schema = reader.access.settings.schema
        rows = reader.rows(statement("proposable_tables"), {"schema": schema})
        indexed: dict[int, list[tuple[str, ...]]] = {}
        for row in reader.rows(statement("indexed_columns"), {"tables": [row["table_oid"] for row in rows]}):
            indexed.setdefault(row["table_oid"], []).append(tuple(row["columns"]))
        sets = _sets(count, {row["table"]: row["columns"] for row in rows})
        tables = {row["table"]: _table(reader, row, indexed, sets) for row in rows}
        keys = reader.rows(statement("foreign_keys"), {"schema": schema})
        without = tuple(ForeignKey(key["table"], key["column"], key["parent"]) for key in keys if not key["index"])
        seconds = max((table.counted_seconds for table in tables.values()), default=0.0)
        share = count.seconds / seconds if count.seconds and seconds else 1.0
        return cls(tables, without, unfinished(reader), schema, share)

    def entries(self, candidate: Candidate) -> float:
        """Index entries that would have been written since the statistics began: rows inserted and moved."""
        table = self.tables[candidate.table]
        return (
            table.inserted + table.updated - table.hot_updated + (table.hot_updated if self.hot_lost(candidate) else 0)
        )

    def hot_lost(self, candidate: Candidate) -> bool:
        """Whether updates that now touch no index would have to write into every one of the table."""
        table = self.tables[candidate.table]
        mentioned = {*candidate.columns, *((candidate.where.column,) if candidate.where else ())}
        return bool(table.hot_updated and mentioned & table.sets)


def wishes(known: Known, one: Asked) -> list[Candidate]:
    """The candidates that a statement might use, fewest columns first; nothing that an index has already."""
    return sorted(dict.fromkeys(_wishes(known, one)), key=lambda candidate: len(candidate.columns))


def _wishes(known: Known, one: Asked) -> Iterator[Candidate]:
    columns = {name: table.columns for name, table in known.tables.items()}
    for question, _ in one.questions:
        read = lookups_by_grammar(question, columns)
        for name, used in (lookups(question, columns) if read is None else read).items():
            table = known.tables[name]
            for listed in used.candidates(table.distinct or {}):
                if not table.has(listed, used.equal):
                    yield Candidate(name, table.table_oid, table.rows, listed)
            yield from _partial(table, used, one.assumed)


def _partial(table: Table, used: Lookups, statuses: tuple[int, ...]) -> Iterator[Candidate]:
    """An index of only the rows that the statement's own words choose: unfinished ones, those not told yet."""
    conditions = [Where(STATUS, statuses)] if statuses and STATUS in used.equal else []
    conditions += [Where(column, values) for column, values in used.fixed]
    for where in conditions:
        rest = Lookups([c for c in used.equal if c != where.column], used.range, used.order)
        lists = rest.candidates(table.distinct or {}) or [(where.column,)]
        for listed in lists[:3]:
            yield Candidate(table.table, table.table_oid, table.rows, listed, where)


def _table(
    reader: Line, row: dict[str, Any], indexed: dict[int, list[tuple[str, ...]]], sets: dict[str, frozenset[str]]
) -> Table:
    given = {"schema": reader.access.settings.schema, "table": row["table"], "rows": row["rows"]}
    distinct = {found["column"]: found["values"] for found in reader.rows(statement("distinct_values"), given)}
    facts = {**row, "columns": tuple(row["columns"])}
    indexes = tuple(indexed.get(row["table_oid"], ()))
    return Table(**facts, indexed=indexes, distinct=distinct, sets=sets.get(row["table"], frozenset()))


def _sets(count: Count, columns: dict[str, list[str]]) -> dict[str, frozenset[str]]:
    """By table the columns that the UPDATEs of the counted statements set."""
    found: dict[str, set[str]] = {}
    for words in count.statements:
        for table, set_ in assigned(words):
            if table in columns:
                found.setdefault(table, set()).update(set_)
    return {table: frozenset(names) for table, names in found.items()}


def unfinished(reader: Line) -> tuple[int, ...]:
    """The numbers of the statuses that are not finished; none where the catalogue cannot be read."""
    from psycopg import sql

    wanted = {name.upper() for name in reader.access.settings.unfinished_statuses}
    names = {"statuses": sql.Identifier(reader.access.settings.schema, _STATUSES)}
    with askable(reader):
        rows = reader.rows(statement("statuses", **names))
        return tuple(row["id"] for row in rows if row["name"] in wanted)
    return ()
