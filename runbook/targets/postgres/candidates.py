"""An index that does not exist yet: its table, its columns, the rows it is for, and the words that would build it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook.targets.postgres.access import statement

if TYPE_CHECKING:
    from psycopg import sql

#: What our indexes' names begin with: no other may be dropped by us.
OUR_INDEX = "ix_muses_"
_LONGEST_NAME = 63  # bytes


@dataclass(frozen=True)
class Where:
    """The rows of a partial index: those whose ``column`` has one of ``values``; without values, where it is null."""

    column: str
    values: tuple[int | str | bool, ...] = ()

    def words(self) -> sql.Composable:
        """The predicate as SQL, its name and values quoted."""
        from psycopg import sql

        column = sql.Identifier(self.column)
        if not self.values:
            return sql.SQL("{} IS NULL").format(column)
        if self.values in ((True,), (False,)) and isinstance(self.values[0], bool):
            return sql.SQL("{}" if self.values[0] else "NOT {}").format(column)
        return sql.SQL("{} IN ({})").format(column, sql.SQL(", ").join(map(sql.Literal, self.values)))

    def plain(self) -> dict[str, Any]:
        """As the argument of an operation."""
        return {"column": self.column, "values": list(self.values)}

    def __str__(self) -> str:
        """For people and for the hash in a name."""
        values = ", ".join(str(value) for value in self.values)
        return f"{self.column} IN ({values})" if self.values else f"{self.column} IS NULL"


def where_of(given: Mapping[str, Any] | None) -> Where | None:
    """The predicate that :meth:`Where.plain` gave."""
    return None if given is None else Where(str(given["column"]), tuple(given["values"]))


@dataclass(frozen=True)
class Candidate:
    """A table of the schema and the columns of an index on it; ``rows`` is the planner's estimate."""

    table: str
    table_oid: int
    rows: float
    columns: tuple[str, ...]
    where: Where | None = None

    @property
    def name(self) -> str:
        """What the index would be called; one too long for the server, and a partial one, ends in a hash."""
        name = f"{OUR_INDEX}{self.table}_{'_'.join(self.columns)}"
        if self.where is None and len(name.encode()) <= _LONGEST_NAME:
            return name
        digest = hashlib.sha256(f"{name}{'' if self.where is None else f' {self.where}'}".encode()).hexdigest()[:8]
        return f"{name.encode()[: _LONGEST_NAME - 9].decode('utf-8', 'ignore')}_{digest}"

    def begins(self, other: Candidate) -> bool:
        """Whether the other index serves all that this one would: the same rows, and its columns begin with these."""
        same = (self.table, self.where) == (other.table, other.where)
        return same and self is not other and other.columns[: len(self.columns)] == self.columns


def create_index_words(
    name: str | None,
    table: tuple[str, str],
    columns: tuple[str, ...],
    where: Where | None = None,
    *,
    concurrently: bool = False,
) -> sql.Composed:
    """The statement that builds an index; without a name the server would choose one."""
    from psycopg import sql

    return statement(
        "index",
        how=sql.SQL("CONCURRENTLY" if concurrently else ""),
        name=sql.Identifier(name) if name else sql.SQL(""),
        table=sql.Identifier(*table),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        where=sql.SQL("") if where is None else sql.SQL("WHERE {}").format(where.words()),
    )


def command(schema: str, candidate: Candidate) -> str:
    """What a person would type to build it without blocking writers."""
    table = (schema, candidate.table)
    words = create_index_words(candidate.name, table, candidate.columns, candidate.where, concurrently=True)
    return words.as_string(None).partition("\n")[2].strip() + ";"
