"""The exchange tables as they stand in the database, and what about one of them forbids to purge it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from runbook.settings import DatabaseSettings, PurgeSettings
from runbook.targets.postgres.access import quoted
from runbook.targets.s3.archives import Column
from runbook.text import Text, text

if TYPE_CHECKING:
    from collections.abc import Iterable

RESPONSES, ERRORS = "tbae009_respuesta", "tbae010_error"
RESPONSE_TIME, STATUS, RECORD, RESPONSE = "fecha_respuesta", "id_estatus_procesamiento", "uuid", "id_respuesta"
SUBSYSTEM = "id_subsistema"
#: The columns that come before a table's own in every archived line: where a row was found, and which version it was.
FOUND = ("ctid", "xmin")
_TIMES, _NUMBERS = ("timestamp", "date"), ("smallint", "integer", "bigint", "numeric")

#: Records are what the subsystems sent; responses belong to records by ``uuid``, errors to responses.
Kind = Literal["records", "responses", "errors"]


class ForeignKey(msgspec.Struct, frozen=True):
    """A key of ``table`` that points at an exchange table: ``columns`` → ``referenced``, with or without an index."""

    name: str
    schema: str
    table: str
    columns: tuple[str, ...]
    referenced: tuple[str, ...]
    on_delete: str
    indexed: bool


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table that rows can be deleted from: an ordinary one, or a leaf of a partitioned one.

    ``root`` is the table that people know: of a partition the partitioned table, else the table itself. ``bounds``
    is the partition's, as PostgreSQL writes it. ``loose`` columns have a collation under which different text is equal.
    """

    name: str
    root: str
    schema: str
    oid: int
    kind: Kind
    columns: tuple[Column, ...]
    not_null: tuple[str, ...]
    key: tuple[str, ...]
    loose: tuple[str, ...] = ()
    time: str | None
    blocks: int
    bytes: int
    inbound: tuple[ForeignKey, ...] = ()
    triggers: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    row_security: bool = False
    persistent: bool = True
    bounds: str | None = None
    parted_by: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(column.name for column in self.columns)

    @property
    def aware(self) -> bool:
        """Whether its time column knows its offset; the others hold the site's local time."""
        return any(column.name == self.time and "with time zone" in column.type for column in self.columns)

    @property
    def ddl(self) -> str:
        """A CREATE TABLE that takes its rows."""
        lines = [f"    {quoted(c.name)} {c.type}{' NOT NULL' if c.name in self.not_null else ''}" for c in self.columns]
        lines.append(f"    PRIMARY KEY ({', '.join(map(quoted, self.key))})")
        body = ",\n".join(lines)
        return f"CREATE TABLE {quoted(self.schema)}.{quoted(self.root)} (\n{body}\n);\n"


def wanted(name: str, purge: PurgeSettings) -> bool:
    """Whether a table's name is one of those that the purge is for."""
    return any(fnmatchcase(name, pattern) for pattern in purge.tables)


def is_exchange(name: str, database: DatabaseSettings) -> bool:
    """Whether a table holds what the subsystems sent, whether or not the site purges it."""
    return name in database.exchange_tables or wanted(name, PurgeSettings())


def kind_of(name: str) -> Kind:
    """What the rows of a table are, by its name."""
    return {RESPONSES: "responses", ERRORS: "errors"}.get(name, "records")  # type: ignore[return-value]


def time_of(kind: Kind, database: DatabaseSettings) -> str | None:
    """The column by which rows of a kind grow old; errors have none of their own."""
    return {"records": database.time_column, "responses": RESPONSE_TIME}.get(kind)


def needed_columns(kind: Kind, database: DatabaseSettings) -> tuple[str, ...]:
    """What a table of that kind must have to be purged."""
    return {
        "records": (database.time_column, STATUS),
        "responses": (RESPONSE, RECORD, STATUS, RESPONSE_TIME),
        "errors": (RESPONSE,),
    }[kind]


def children_first(tables: Iterable[Table]) -> list[list[Table]]:
    """Levels that are purged one after the other: errors, responses, records."""
    order: tuple[Kind, ...] = ("errors", "responses", "records")
    found = list(tables)
    return [level for kind in order if (level := [table for table in found if table.kind == kind])]


def objections(table: Table, database: DatabaseSettings, purge: PurgeSettings) -> tuple[Text, ...]:
    """What about the table itself forbids to purge it, each with the way out; empty when nothing does."""
    return tuple(_objections(table, database, purge))


def can_be_judged(table: Table, database: DatabaseSettings) -> bool:
    """Whether its rows can be looked at: it hides none, and has the columns by which they go or stay."""
    return not table.row_security and not any(True for _ in _objections_to_columns(table, database))


def _objections(table: Table, database: DatabaseSettings, purge: PurgeSettings) -> Iterable[Text]:
    named: dict[str, Any] = {"table": table.name}
    yield from _objections_to_columns(table, database)
    if not table.key:
        yield text("{table} has no primary key: a row of it cannot be told from another; give it one", **named)
    if not table.persistent:
        yield text("{table} is unlogged or temporary: a crash empties it, and so it is not purged", **named)
    if table.triggers:
        names = ", ".join(table.triggers)
        yield text("{table} has triggers on DELETE ({names}): drop or disable them for the purge", names=names, **named)
    if table.rules:
        names = ", ".join(table.rules)
        yield text("{table} has rules on DELETE ({names}): drop them for the purge", names=names, **named)
    if table.row_security:
        yield text("{table} hides rows by row security: give the operator BYPASSRLS", **named)
    for key in table.inbound:
        yield from _objections_to_key(table, key, purge)
    for hold in purge.holds:
        if table.kind == "records" and hold.subsystem is not None and SUBSYSTEM not in table.names:
            yield text(
                "{table} has no {column}, so the hold on subsystem {number} cannot be judged: name uuids or days",
                column=SUBSYSTEM,
                number=hold.subsystem,
                **named,
            )


def _objections_to_columns(table: Table, database: DatabaseSettings) -> Iterable[Text]:
    named: dict[str, Any] = {"table": table.name}
    types = {column.name: column.type for column in table.columns}
    wanted_types = {STATUS: _NUMBERS, time_of(table.kind, database): _TIMES}
    for column in needed_columns(table.kind, database):
        if column not in types:
            yield text("{table} has no column {column}: leave it out of purge.tables", column=column, **named)
        elif not types[column].startswith(wanted_types.get(column, "")):
            yield text(
                "{table}: the type of {column} is {type}, by which no row can be judged: leave it out of purge.tables",
                column=column,
                type=types[column],
                **named,
            )


def _objections_to_key(table: Table, key: ForeignKey, purge: PurgeSettings) -> Iterable[Text]:
    named: dict[str, Any] = {"table": table.name, "key": key.name, "child": key.table}
    if key.on_delete not in ("NO ACTION", "RESTRICT"):
        yield text(
            "{child} follows deletes in {table} ({key}: ON DELETE {action}): its rows would go or change unarchived; "
            "make the key NO ACTION",
            action=key.on_delete,
            **named,
        )
    elif not key.indexed and not purge.build_missing_indexes:
        columns = ", ".join(map(quoted, key.columns))
        yield text(
            "{child} has no index for {key}: each row deleted from {table} would scan all of it (109 rows/s). Run "
            "CREATE INDEX CONCURRENTLY ON {schema}.{child} ({columns}), or set purge.build_missing_indexes",
            schema=quoted(key.schema),
            columns=columns,
            **named,
        )
