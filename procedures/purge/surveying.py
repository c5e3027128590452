"""Look before anything is done: what of the tables is to go, and what forbids it. Reads only."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from procedures.purge import tables
from procedures.purge.selection import Rules, joined, qualifies
from procedures.purge.tables import RESPONSES, Kind, Table
from runbook.settings import DatabaseSettings, PurgeSettings
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
