"""Which exchange tables there are, as the server's catalogue knows them. Reads only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

import msgspec

from procedures.purge import tables
from procedures.purge.tables import ForeignKey, Table
from runbook.errors import SettingsError
from runbook.learnt import learnt
from runbook.settings import DatabaseSettings, PurgeSettings
from runbook.targets.s3.archives import Column
from runbook.text import text

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection

_TABLES_SQL = Path(__file__).parent / "sql" / "tables.sql"


def find_tables(
    connection: Connection, database: DatabaseSettings, purge: PurgeSettings, also: frozenset[str] = frozenset()
) -> tuple[Table, ...]:
    """The exchange tables of the schema, partitions one by one, and those named in ``also``.

    Raises SettingsError where there is none.
    """
    every = every_table(connection, database)
    found = tuple(table for table in every if tables.wanted(table.root, purge) or table.name in also)
    if not found:
        raise SettingsError(
            text(
                "The schema {schema} has no table like {names}", schema=database.schema, names=", ".join(purge.tables)
            ),
            key="purge.tables",
        )
    return found


def every_table(connection: Connection, database: DatabaseSettings) -> tuple[Table, ...]:
    """All tables of the schema, purged or not."""
    words: LiteralString = _TABLES_SQL.read_text(encoding="utf-8")
    rows = connection.execute(words, {"schema": database.schema}).fetchall()
    return tuple(_table(row, database) for row in rows)


def _table(row: dict[str, Any], database: DatabaseSettings) -> Table:
    kind = tables.kind_of(row["root"])
    names = [name for name, *_ in row["columns"]]
    time = tables.time_of(kind, database)
    return Table(
        name=row["name"],
        root=row["root"],
        schema=database.schema,
        oid=row["oid"],
        kind=kind,
        columns=tuple(Column(name, type) for name, type, *_ in row["columns"]),
        not_null=tuple(name for name, _, required, _ in row["columns"] if required),
        loose=tuple(name for name, *_, loose in row["columns"] if loose),
        key=tuple(row["key"]),
        time=time if time in names else None,
        blocks=row["blocks"],
        bytes=row["bytes"],
        inbound=tuple(msgspec.convert(key, learnt(ForeignKey)) for key in row["inbound"]),
        triggers=tuple(row["triggers"]),
        rules=tuple(row["rules"]),
        row_security=row["row_security"],
        persistent=row["persistent"],
        bounds=row["bounds"],
        parted_by=row["parted_by"],
    )
