"""Where restored rows come to land: one table, in one transaction, batch by batch, the newest batch first.

Each batch is copied into a temporary table that has the columns of its manifest. What a newer batch already gave is
taken out of it, then (where the rows go back into the live table) what is in the table already, and the rest is
inserted and compared with what the table then holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from procedures.archive.fields import BEFORE
from procedures.archive.reading import Batch
from procedures.archive.statements import (
    ARRIVED,
    COLLAPSE,
    COUNT,
    LIVE,
    MEET,
    PUT,
    SHOWN,
    TAKE,
    TAKEN,
    UNKNOWN_TYPES,
    arriving,
    emptied,
    filled,
    gone,
    side_table,
    temporary,
    unique,
)
from runbook.errors import ActionError
from runbook.targets.s3.archives import Column
from runbook.text import Text, text

if TYPE_CHECKING:
    from psycopg import sql

    from runbook.targets.postgres.connection import Connection


class Counts(msgspec.Struct):
    """What became of the rows of one table.

    ``repeated`` are rows that a newer batch holds too, to the byte, ``older`` those of which it holds another state.
    ``identical`` and ``different`` are in the live table already; ``conflicts`` are the first keys of the latter.
    """

    read: int = 0
    restored: int = 0
    repeated: int = 0
    older: int = 0
    identical: int = 0
    different: int = 0
    conflicts: list[str] = []


class Landing:
    """One table within the connection's transaction. ``back`` says that it is the live one, with rows of its own."""

    def __init__(self, connection: Connection, schema: str, table: str, *, back: bool) -> None:
        self.counts = Counts()
        self._connection, self._schema, self._table, self._back = connection, schema, table, back
        self._columns: dict[str, str] = {}
        self._arriving: tuple[Column, ...] = ()
        self._key: tuple[str, ...] = ()

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Look at the live table, or create the side table with all columns of the batches, newest type first.

        Raises ActionError for a live table that is not there or lacks a column, a side table that is.
        """
        columns = [column for batch in reversed(list(batches)) for column in batch.manifest.columns]
        self._check_types({column.type for column in columns})
        wanted = {column.name: column.type for column in columns}
        found = self._found()
        if self._back and not found:
            self._refuse(text("there is no table {table}: restore into a side table", table=self._table))
        if not self._back:
            if found:
                self._refuse(text("{table} is there already: wait a minute, or drop it", table=self._table))
            self._create(wanted)
            found = self._found()
        if lost := sorted(set(wanted) - {row["name"] for row in found}):
            self._refuse(
                text(
                    "{table} has lost columns that the archive has ({columns}): restore into a side table",
                    table=self._table,
                    columns=", ".join(lost),
                )
            )
        self._columns = {row["name"]: row["type"] for row in found if not row["generated"]}

    def take(self, batch: Batch, some: Iterable[list[bytes]]) -> None:
        """Bring the rows of one batch, given as its lines, into the table; a newer batch than this came before."""
        self._make_room(batch)
        self._copy(batch, some)
        with self._connection.cursor() as cursor:
            gone = cursor.execute(self._filled(COLLAPSE)).fetchone() or {}
            self.counts.repeated += gone["repeated"]
            self.counts.older += gone["older"]
            cursor.execute(self._filled(TAKE))
        if self._back:
            self._meet()
        self._put()

    def _copy(self, batch: Batch, some: Iterable[list[bytes]]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(arriving(batch.columns)) as copy:
            for few in some:
                self.counts.read += len(few)
                copy.write(b"".join(map(_with_digest, few)))

    def _meet(self) -> None:
        met = self._connection.execute(self._filled(MEET)).fetchone() or {}
        self.counts.identical += met["identical"]
        self.counts.different += met["different"]
        room = SHOWN - len(self.counts.conflicts)
        self.counts.conflicts += (met["keys"] or [])[:room]

    def _put(self) -> None:
        """Insert what is left and prove it: a trigger or a rule may have made something else of it."""
        arrived = (self._connection.execute(COUNT).fetchone() or {})["rows"]
        same = (self._connection.execute(self._filled(PUT)).fetchone() or {})["same"]
        if same != arrived:
            said = text(
                "{count} rows are not in {table} as they were archived (a trigger, a rule or another type): "
                "restore into a side table",
                count=arrived - same,
                table=self._table,
            )
            raise ActionError("database", "restore", said)
        self.counts.restored += same

    def _make_room(self, batch: Batch) -> None:
        """An empty temporary table with the columns of the batch."""
        if batch.manifest.columns == self._arriving:
            self._connection.execute(emptied(ARRIVED))
            return
        self._connection.execute(gone(ARRIVED))
        self._connection.execute(temporary(ARRIVED, batch.manifest.columns))
        if not self._arriving:
            self._remember_key(batch)
        self._arriving = batch.manifest.columns
        if batch.manifest.key != self._key:
            self._refuse(
                text("the key of {table} changed while it was archived: restore run by run", table=self._table)
            )

    def _remember_key(self, batch: Batch) -> None:
        self._key = batch.manifest.key
        if not self._key:
            self._refuse(text("the archive names no key of {table}", table=self._table))
        keys = tuple(column for column in batch.manifest.columns if column.name in self._key)
        self._connection.execute(temporary(TAKEN, keys))
        self._connection.execute(unique(TAKEN, self._key))

    def _create(self, wanted: dict[str, str]) -> None:
        self._connection.execute(side_table((self._schema, self._table), wanted))

    def _check_types(self, types: set[str]) -> None:
        """Types are words of the archive that go into SQL as they are: only what PostgreSQL takes for one may."""
        unknown = self._connection.execute(UNKNOWN_TYPES, {"types": sorted(types)}).fetchone()
        if unknown is not None:
            self._refuse(text("the archive has a type that this database lacks: {type}", type=unknown["t"]))

    def _found(self) -> list[dict[str, Any]]:
        return self._connection.execute(LIVE, {"schema": self._schema, "table": self._table}).fetchall()

    def _filled(self, template: str) -> sql.Composed:
        """The statement for this table and the batch that arrived."""
        shared = {c.name: self._columns[c.name] for c in self._arriving if c.name in self._columns}
        return filled(template, (self._schema, self._table), shared, self._key)

    def _refuse(self, said: Text) -> NoReturn:
        raise ActionError("database", "restore", said, refused=True)


def _with_digest(line: bytes) -> bytes:
    """The line without ``ctid`` and ``xmin``, with the digest of what is left before it."""
    columns = line.split(b"\t", BEFORE)[BEFORE]
    return b"\\\\x%b\t%b\n" % (hashlib.sha256(columns).hexdigest().encode(), columns)
