"""The exchange tables (Guía de Operaciones §4.1): does anything lie in them past its time?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from runbook.limits import Limits, Threshold
from runbook.model import State
from runbook.rows import row
from runbook.text import Quantity, size, text

if TYPE_CHECKING:
    from runbook.targets.postgres.database import Database
    from runbook.targets.postgres.structs import StagingTable

FOR_A_PERSON = text(
    "The purge as a procedure (archive, verify, delete) comes with a later release of muses-runbook. Until then delete "
    "nothing by hand: records that were not archived and verified cannot be brought back. Tell the DBA how much is "
    "overdue and see to it that the disk has room (row HOST-01)"
)


@row(
    "STAGE-01",
    source="Guía de Operaciones §4.1: purga semanal de los registros TBAE* de más de 90 días",
    es="Las tablas de intercambio no guardan registros más allá de su retención",
    # Past the retention by one weekly purge that did not happen; by a month of them.
    threshold=Threshold(warning=timedelta(days=7), critical=timedelta(days=30)),
    person=FOR_A_PERSON,
)
def check_staging_within_retention(database: Database, limits: Limits) -> None:
    """The exchange tables hold no record past its retention.

    They grow without bound: every scan, and every backup, takes longer with each record that stays.
    """
    for table in database.staging():
        _judge(table, database.retention, limits)


def _judge(table: StagingTable, retention: timedelta, limits: Limits) -> None:
    kept = {"table": table.table, "rows": _records(table.rows), "size": size(table.bytes)}
    if table.null_times:
        timeless = text(
            "{table}: {records} have no time and are never purged",
            table=table.table,
            records=_records(table.null_times),
        )
        limits.hold(State.OK, of=f"{table.table} (null_times)", value=_records(table.null_times), summary=timeless)
    if table.oldest is None:
        if table.null_times:
            limits.cannot_see(text("{table}: no record has a time, so none has an age", table=table.table))
        else:
            limits.hold(State.OK, of=table.table, summary=text("{table} is empty", table=table.table))
        return
    past = max(datetime.now(UTC) - table.oldest - retention, timedelta(0))
    said = text("{table}: about {rows}, {size}, none past its retention", **kept)
    if table.overdue:
        said = text(
            "{table}: {overdue} past their retention, the oldest by {past}; about {rows} in all, {size}",
            **kept,
            overdue=_records(table.overdue),
            past=past,
        )
    limits.judge(past, of=table.table, summary=said)


def _records(count: int) -> Quantity:
    return Quantity(count, "records")
