"""A partition whose rows all go: detached, archived, proven equal to its archive under lock, and only then dropped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, LiteralString

from procedures.purge import milestones
from procedures.purge.archiving import Archivist
from procedures.purge.deleting import Deleter
from procedures.purge.ledger import Ledger
from procedures.purge.ledger_structs import Run
from procedures.purge.surveying import TableSurvey
from procedures.purge.tables import Table
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.working import as_action_errors
from runbook.text import Text, text

if TYPE_CHECKING:
    from psycopg import sql

    from runbook.targets.postgres.working import Connection


#: Where a partition of a range of times ends, in years of four digits.
_END = re.compile(r" TO \('(\d{4}-[^']*)'\)$")


def can_be_dropped(table: Table, survey: TableSurvey) -> bool:
    """Whether every row of the partition goes, nothing points at it, and none can come any more that belongs there.

    Who dropped a partition of a subsystem, or the default one, would have the next insert fail.
    """
    end = _END.search(table.bounds or "")
    past = end is not None and table.parted_by == table.time and end[1] <= survey.cutoff  # both ISO, as text
    return past and not table.inbound and 0 < survey.qualifying == survey.rows


def detach(ledger: Ledger, access: Access, run: Run, table: Table) -> None:
    """Take the partition out of its table, so that nobody writes to it any more; its bounds are written down first."""
    with as_action_errors(access, "purge"), ledger.connection.transaction():
        ledger.mark(run, table.name, "DETACHED", parent=table.root, bounds=table.bounds)
        ledger.connection.execute(_alter(table, "DETACH PARTITION {leaf}"))
    milestones.reached("partition detached")


def unequal(table: Table) -> Text:
    """Why a partition is put back: it does not equal its archive, or has rows that stay now."""
    return text("{table} is not equal to its archive: it was attached again, with all its rows", table=table.name)


def reattach(ledger: Ledger, access: Access, run: Run, table: Table, bounds: LiteralString, reason: Text) -> None:
    """Put the partition back, and write down why."""
    from psycopg import sql

    with as_action_errors(access, "purge"), ledger.connection.transaction():
        # The bounds are the server's own words, from pg_get_expr.
        ledger.connection.execute(_alter(table, "ATTACH PARTITION {leaf} ") + sql.SQL(bounds))
        ledger.refuse(run, table, [reason])


def drop_if_equal(
    ledger: Ledger, access: Access, run: Run, table: Table, archivist: Archivist, deleter: Deleter
) -> bool:
    """Drop the detached partition if each of its rows, and none more, came back from the archive; whether it did."""
    connection = ledger.connection
    with as_action_errors(access, "purge"), connection.transaction():
        connection.execute(_locking(table))
        batches = ledger.batches(run, table.name)
        proven = 0
        for batch in batches:
            if batch.manifest is not None and batch.manifest_key is not None:
                proven += deleter.count(archivist.read_back(batch.manifest_key, batch.manifest))
        if proven != _rows(connection, table):
            return False
        for batch in batches:
            rows = batch.manifest.content.rows if batch.manifest else 0
            ledger.progressed(ledger.locked(batch), rows, rows, 0)
            ledger.done(batch)
        connection.execute(_dropping(table))
        ledger.mark(run, table.name, "DONE")
        milestones.reached("partition proven, before commit")
    milestones.reached("partition dropped")
    return True


def _rows(connection: Connection, table: Table) -> int:
    from psycopg import sql

    query = sql.SQL("SELECT count(*) AS rows FROM ONLY {}").format(_name(table))
    return int(connection.execute(query).fetchall()[0]["rows"])


def _locking(table: Table) -> sql.Composed:
    from psycopg import sql

    return sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(_name(table))


def _dropping(table: Table) -> sql.Composed:
    from psycopg import sql

    return sql.SQL("DROP TABLE {}").format(_name(table))


def _alter(table: Table, action: LiteralString) -> sql.Composed:
    from psycopg import sql

    root = sql.Identifier(table.schema, table.root)
    return sql.SQL("ALTER TABLE {} ").format(root) + sql.SQL(action).format(leaf=_name(table))


def _name(table: Table) -> sql.Identifier:
    from psycopg import sql

    return sql.Identifier(table.schema, table.name)
