"""What rows are told of the purge, read through the reader's connections. Reads only."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

from procedures.purge import tables
from procedures.purge.facts import PurgedTable, PurgeRun, Purges, Staged, StagedTable, TableDue
from procedures.purge.finding import find_tables
from procedures.purge.ledger import LOCK, Ledger
from procedures.purge.ledger_structs import Standing
from procedures.purge.ruling import rules_of
from procedures.purge.selection import Rules, qualifies
from procedures.purge.surveying import refused_tables
from procedures.purge.tables import Table
from runbook.settings import DatabaseSettings, PurgeSettings
from runbook.targets.postgres.exchange import STATUSES
from runbook.text import Text

if TYPE_CHECKING:
    from psycopg import sql

    from runbook.targets.postgres.connection import Line

_SQL = Path(__file__).parent / "sql"


def staged(line: Line, database: DatabaseSettings, purge: PurgeSettings) -> Staged:
    """The exchange tables with their sizes, and what forbids to purge them. From the catalogues, without a scan."""
    found = find_tables(line.connection, database, purge)
    refusals = refused_tables(found, database, purge)
    roots = {table.root for table in found}
    rows = line.rows(_statement("sizes"), {"schema": database.schema})
    return Staged(
        host=database.host,
        schema=database.schema,
        **line.row(_statement("whereabouts")),
        tables=tuple(
            StagedTable(**row, refused=_refused(row["table"], found, refusals)) for row in rows if row["table"] in roots
        ),
    )


def due(line: Line, database: DatabaseSettings, purge: PurgeSettings, zone: str) -> tuple[TableDue, ...]:
    """What of each table of records has outlived its retention, by one scan of each."""
    found = find_tables(line.connection, database, purge)
    rules = rules_of(line.connection, found, database, purge, zone)
    roots = {table.root: table for table in found if _has_an_age(table)}
    return tuple(_due(line, table, rules, database, purge, zone) for table in roots.values())


def purges(line: Line, schema: str) -> Purges:
    """What the ledger knows. Where there is none, no purge ever ran."""
    from psycopg import sql

    ledger = Ledger(line.connection, schema)
    if not ledger.exists():
        return Purges()
    rows = line.rows(_statement("newest_run", runs=sql.Identifier(schema, "purge_run")))
    working = line.row(_statement("at_work"), {"first": LOCK[0], "second": LOCK[1]})
    newest = PurgeRun(**rows[0], tables=tuple(map(_purged, ledger.standing(rows[0]["id"])))) if rows else None
    return Purges(newest=newest, **working)


def rights(line: Line, ledger: str, operator: str) -> dict[str, bool]:
    """Whether the reader reads the ledger and the operator can keep it."""
    return line.row(_statement("rights"), {"ledger": ledger, "operator": operator})


def _refused(name: str, found: tuple[Table, ...], refusals: dict[str, tuple[Text, ...]]) -> tuple[Text, ...]:
    """The reasons of a table or of any of its partitions, each once."""
    reasons = [reason for table in found if table.root == name for reason in refusals[table.name]]
    return tuple({str(reason): reason for reason in reasons}.values())


def _due(
    line: Line, table: Table, rules: Rules, database: DatabaseSettings, purge: PurgeSettings, zone: str
) -> TableDue:
    rows = line.rows(_statement("due", **_names(table, rules, database, zone)))
    processed = sum(row["overdue"] for row in rows if row["status"] in rules.statuses)
    return TableDue(
        table=table.root,
        retention=timedelta(days=purge.retention_days.get(table.root, database.retention_days)),
        rows=sum(row["rows"] for row in rows),
        overdue=sum(row["overdue"] for row in rows),
        qualifying=sum(row["qualifying"] for row in rows),
        held=processed - sum(row["qualifying"] for row in rows),
        timeless=sum(row["timeless"] for row in rows),
        unprocessed={
            row["name"] or _nameless(row["status"]): row["overdue"]
            for row in rows
            if row["overdue"] and row["status"] not in rules.statuses
        },
        oldest=min((row["oldest"] for row in rows if row["oldest"] is not None), default=None),
    )


def _has_an_age(table: Table) -> bool:
    """Whether it holds records that can be judged: responses and errors go with theirs."""
    return table.kind == "records" and table.time is not None and tables.STATUS in table.names


def _nameless(status: int | None) -> str:
    return "NULL" if status is None else str(status)


def _names(table: Table, rules: Rules, database: DatabaseSettings, zone: str) -> dict[str, sql.Composable]:
    """What the statement is filled with; partitions are counted through the table that they belong to."""
    from psycopg import sql

    time = sql.Identifier("staged", table.time or "")
    moment: sql.Composable = sql.SQL("CASE WHEN isfinite({time}) THEN {time} END").format(time=time)
    return {
        "table": sql.Identifier(table.schema, table.root),
        "statuses": sql.Identifier(database.schema, STATUSES),
        "status": sql.Identifier(tables.STATUS),
        "time": time,
        "moment": moment if table.aware else sql.SQL("({} AT TIME ZONE {})").format(moment, sql.Literal(zone)),
        "cutoff": sql.Literal(rules.cutoffs[table.root]),
        "goes": qualifies(table, rules),
    }


def _purged(standing: Standing) -> PurgedTable:
    same = ("state", "refused", "deleted", "changed", "waiting")
    return PurgedTable(table=standing.name, **{name: getattr(standing, name) for name in same})


def _statement(name: str, /, **names: sql.Composable) -> sql.Composed:
    from psycopg import sql

    words: LiteralString = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    return sql.SQL(words).format(**names)
