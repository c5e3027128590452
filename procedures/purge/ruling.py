"""By which rules a run that begins now selects: cutoffs on the server's clock, and statuses by name. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procedures.purge import tables
from procedures.purge.finding import every_table
from procedures.purge.selection import Rules
from procedures.purge.tables import RECORD, RESPONSES, Table
from runbook.errors import SettingsError
from runbook.settings import DatabaseSettings, PurgeSettings
from runbook.targets.postgres.exchange import STATUSES
from runbook.text import text

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection


def rules_of(
    connection: Connection, found: tuple[Table, ...], database: DatabaseSettings, purge: PurgeSettings, zone: str
) -> Rules:
    """The rules of a run that begins now: each table's cutoff, computed once, on the server's clock.

    A response's record may also lie in an exchange table that is left out of the purge.
    """
    names, roots = {table.name for table in found}, {table.root for table in found}
    left_out = [table for table in every_table(connection, database) if table.name not in names]
    records = tuple(
        table
        for table in (*found, *(other for other in left_out if tables.is_exchange(other.root, database)))
        if table.kind == "records" and RECORD in table.names
    )
    return Rules(
        schema=database.schema,
        cutoffs={table.root: _cutoff(connection, table, database, purge, zone) for table in found if table.time}
        | {RESPONSES: _response_cutoff(connection, found, database, purge, zone)},
        statuses=_statuses(connection, database, purge),
        holds=purge.holds,
        records=records,
        kept=tuple({t.root for t in records if t.root not in roots or tables.objections(t, database, purge)}),
        zone=zone,
    )


def _cutoff(connection: Connection, table: Table, database: DatabaseSettings, purge: PurgeSettings, zone: str) -> str:
    days = purge.retention_days.get(table.root, database.retention_days)
    local = "" if table.aware else " AT TIME ZONE %(zone)s"
    words: Any = f"SELECT (date_trunc('second', now() - make_interval(days => %(days)s)){local})::text AS cutoff"
    (row,) = connection.execute(words, {"days": days, "zone": zone}).fetchall()
    return str(row["cutoff"])


def _response_cutoff(
    connection: Connection, found: tuple[Table, ...], database: DatabaseSettings, purge: PurgeSettings, zone: str
) -> str:
    """That of the responses without a record; also where the table itself is not there."""
    known = next((table for table in found if table.root == RESPONSES), None)
    table = known or Table(
        name=RESPONSES,
        root=RESPONSES,
        schema="",
        oid=0,
        kind="responses",
        columns=(),
        not_null=(),
        key=(),
        time=None,
        blocks=0,
        bytes=0,
    )
    return _cutoff(connection, table, database, purge, zone)


def _statuses(connection: Connection, database: DatabaseSettings, purge: PurgeSettings) -> tuple[int, ...]:
    """The numbers of the processed statuses. Raises SettingsError for a name that the catalogue does not have."""
    from psycopg import sql

    query = sql.SQL("SELECT id_estatus_procesamiento AS id, upper(btrim(descripcion)) AS name FROM {}").format(
        sql.Identifier(database.schema, STATUSES)
    )
    known = {row["name"]: row["id"] for row in connection.execute(query).fetchall()}
    wanted = [name.strip().upper() for name in purge.processed_statuses]
    if missing := [name for name in wanted if name not in known]:
        raise SettingsError(
            text(
                "{table} has no status {missing} (there are {known})",
                table=STATUSES,
                missing=", ".join(missing),
                known=", ".join(sorted(known)),
            ),
            key="purge.processed_statuses",
        )
    return tuple(known[name] for name in wanted)
