"""Look before anything is done: which tables there are, what of them is to go, and what forbids it. Reads only."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

import msgspec

from procedures.purge import tables
from procedures.purge.selection import Rules, joined, qualifies
from procedures.purge.tables import RECORD, RESPONSES, ForeignKey, Kind, Table
from runbook.errors import SettingsError
from runbook.learnt import learnt
from runbook.settings import DatabaseSettings, PurgeSettings
from runbook.targets.postgres.exchange import STATUSES
from runbook.targets.s3.archives import Column
from runbook.text import Text, text

if TYPE_CHECKING:
    from psycopg import sql

    from runbook.targets.postgres.working import Connection

_TABLES_SQL = Path(__file__).parent / "sql" / "tables.sql"


class TableSurvey(msgspec.Struct, frozen=True, kw_only=True):
    """What of one table is to go, and why it may not.

    ``qualifying`` rows are past the retention and processed, ``timeless`` have no finite time and never go,
    ``unprocessed`` are past the retention and not processed. ``oldest`` is the first time of those that qualify, in
    the site's zone where the column has none. ``bytes`` is the table with its indexes, ``going`` the share that goes.
    """

    table: str
    root: str
    kind: Kind
    cutoff: str
    rows: int
    qualifying: int
    timeless: int
    unprocessed: int
    bytes: int
    going: int
    oldest: datetime | None
    refused: tuple[Text, ...]


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """All tables, children first; ``rules`` is what they were looked at by."""

    tables: tuple[TableSurvey, ...]
    rules: Rules

    @property
    def qualifying(self) -> int:
        """Rows to go in the tables that may be purged."""
        return sum(table.qualifying for table in self.tables if not table.refused)


def find_tables(
    connection: Connection, database: DatabaseSettings, purge: PurgeSettings, also: frozenset[str] = frozenset()
) -> tuple[Table, ...]:
    """The exchange tables of the schema, partitions one by one, and those named in ``also``.

    Raises SettingsError where there is none.
    """
    every = _every_table(connection, database)
    found = tuple(table for table in every if tables.wanted(table.root, purge) or table.name in also)
    if not found:
        raise SettingsError(
            text(
                "The schema {schema} has no table like {names}", schema=database.schema, names=", ".join(purge.tables)
            ),
            key="purge.tables",
        )
    return found


def rules_of(
    connection: Connection, found: tuple[Table, ...], database: DatabaseSettings, purge: PurgeSettings, zone: str
) -> Rules:
    """The rules of a run that begins now: each table's cutoff, computed once, on the server's clock.

    A response's record may also lie in an exchange table that is left out of the purge.
    """
    names, roots = {table.name for table in found}, {table.root for table in found}
    left_out = [table for table in _every_table(connection, database) if table.name not in names]
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


def survey(
    connection: Connection,
    found: tuple[Table, ...],
    rules: Rules,
    database: DatabaseSettings,
    purge: PurgeSettings,
    zone: str,
) -> Survey:
    """Count, table by table, children first. One scan a table."""
    refusals, judged = refused_tables(found, database, purge), _judged(found, rules, database)
    surveyed = [
        _surveyed(connection, table, rules, refusals[table.name], zone, judged=table.name in judged)
        for level in tables.children_first(found)
        for table in level
    ]
    return Survey(tables=tuple(surveyed), rules=rules)


def refused_tables(
    found: tuple[Table, ...], database: DatabaseSettings, purge: PurgeSettings
) -> dict[str, tuple[Text, ...]]:
    """Every table with what forbids to purge it; errors stay with responses that stay."""
    refusals = {table.name: tables.objections(table, database, purge) for table in found}
    hidden = {table.root for table in found if table.kind == "records" and table.row_security}
    for table in found:
        if table.kind == "responses" and hidden:
            reason = text("{table} stays: {records} hides its records", table=table.name, records=", ".join(hidden))
            refusals[table.name] = (*refusals[table.name], reason)
    stay = any(refusals[table.name] for table in found if table.kind == "responses")
    for table in found:
        if table.kind == "errors" and (stay or not any(t.kind == "responses" for t in found)):
            reason = text("{table} stays: its responses in {responses} do", table=table.name, responses=RESPONSES)
            refusals[table.name] = (*refusals[table.name], reason)
    return refusals


def _surveyed(
    connection: Connection, table: Table, rules: Rules, refused: tuple[Text, ...], zone: str, *, judged: bool
) -> TableSurvey:
    counts: dict[str, Any] = dict.fromkeys(_COUNTS, 0) | {"oldest": None}
    if judged:
        counts = _counts(connection, table, rules, zone)
    rows, going = int(counts["rows"]), int(counts["qualifying"])
    return TableSurvey(
        table=table.name,
        root=table.root,
        kind=table.kind,
        cutoff=rules.cutoffs.get(table.root, rules.cutoffs[RESPONSES]),
        rows=rows,
        qualifying=going,
        timeless=int(counts["timeless"]),
        unprocessed=int(counts["unprocessed"]),
        bytes=table.bytes,
        going=round(table.bytes * going / rows) if rows else 0,
        oldest=counts["oldest"],
        refused=refused,
    )


_COUNTS = ("rows", "qualifying", "timeless", "unprocessed")


def _judged(found: tuple[Table, ...], rules: Rules, database: DatabaseSettings) -> frozenset[str]:
    """The tables whose rows can be counted: those that they belong to can be looked at as well."""
    whole: dict[Kind, list[bool]] = {"records": [], "responses": [], "errors": []}
    for table in found:
        whole[table.kind].append(tables.can_be_judged(table, database))
    records = not any(table.row_security for table in found if table.kind == "records")
    responses = records and bool(whole["responses"]) and all(whole["responses"])
    able = {"records": True, "responses": records, "errors": responses}
    return frozenset(
        table.name
        for table in found
        if able[table.kind]
        and tables.can_be_judged(table, database)
        and (table.kind != "records" or table.root in rules.cutoffs)
    )


def _counts(connection: Connection, table: Table, rules: Rules, zone: str) -> dict[str, Any]:
    from psycopg import sql

    time = sql.Identifier("staged", table.time) if table.time else None
    moment: sql.Composable = sql.SQL("NULL::timestamptz")
    timeless = unprocessed = sql.SQL("false")
    if time is not None:
        finite = sql.SQL("CASE WHEN isfinite({time}) AND {time} > '0001-01-02' THEN {time} END").format(time=time)
        moment = finite if table.aware else sql.SQL("({} AT TIME ZONE {})").format(finite, sql.Literal(zone))
        timeless = sql.SQL("({time} IS NULL OR NOT isfinite({time}))").format(time=time)  # type: ignore[assignment]
        unprocessed = sql.SQL("{time} < {cutoff} AND NOT coalesce({status} = ANY({statuses}), false)").format(  # type: ignore[assignment]
            time=time,
            cutoff=sql.Literal(rules.cutoffs[table.root]),
            status=sql.Identifier("staged", tables.STATUS),
            statuses=sql.Literal(list(rules.statuses)),
        )
    query = sql.SQL(
        "SELECT count(*) AS rows, count(*) FILTER (WHERE {goes}) AS qualifying, count(*) FILTER (WHERE {timeless}) AS "
        "timeless, count(*) FILTER (WHERE {unprocessed}) AS unprocessed, min({moment}) FILTER (WHERE {goes}) AS oldest "
        "FROM ONLY {table} AS staged{joined}"
    ).format(
        goes=qualifies(table, rules),
        timeless=timeless,
        unprocessed=unprocessed,
        moment=moment,
        table=sql.Identifier(table.schema, table.name),
        joined=joined(table, rules),
    )
    (row,) = connection.execute(query).fetchall()
    return row


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


def _every_table(connection: Connection, database: DatabaseSettings) -> tuple[Table, ...]:
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
