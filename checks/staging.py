"""The exchange tables (Guía de Operaciones §4.1): does anything lie in them past its time?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from checks import _filling, _past, _purging
from runbook import clock
from runbook.errors import NotConfigured, ProbeError
from runbook.limits import Limits, Threshold
from runbook.model import Finding, Risk, State, Step
from runbook.rows import Findings, diagnoses, remedies, row
from runbook.text import Quantity, size, text

if TYPE_CHECKING:
    from procedures.purge.facts import Purging, Staged
    from runbook.history import History
    from runbook.targets.hosts.hosts import Hosts
    from runbook.targets.postgres.database import Database
    from runbook.targets.postgres.structs import StagingTable

ROOM = text(
    "Purge first where something is due (row STAGE-01): the files do not shrink, but new records use the room again. "
    "Then find what grows: a subsystem that sends its lots again and again, records that stay unfinished (row ETL-01). "
    "If it is honest growth, ask in time for a larger disk or a shorter retention"
)


@row(
    "STAGE-01",
    source="Guía de Operaciones §4.1: purga semanal de los registros TBAE* de más de 90 días",
    es="Las tablas de intercambio no guardan registros más allá de su retención",
    # Past the retention by one weekly purge that did not happen; by a month of them.
    threshold=Threshold(warning=timedelta(days=7), critical=timedelta(days=30)),
    # A week, and a day for a purge that made way for others.
    settings={"purge_every": timedelta(days=8)},
)
def check_staging_within_retention(database: Database, purge: Purging, limits: Limits) -> None:
    """The exchange tables hold no record past its retention.

    They grow without bound: every scan, and every backup, takes longer with each record that stays.
    """
    for table in database.staging():
        _judge(table, purge.retention(table.table), limits)


@diagnoses(check_staging_within_retention, es="La purga semanal no se ha ejecutado")
def purge_has_not_run(purge: Purging, limits: Limits) -> Finding:
    """The weekly purge has not run."""
    return _purging.not_run(purge.purges(), limits.span("purge_every"))


@diagnoses(check_staging_within_retention, es="La última purga se detuvo o dejó tablas fuera")
def purge_left_tables_out(purge: Purging) -> Finding:
    """The last purge stopped, or left tables out."""
    return _purging.left_out(purge.purges(), purge.staged())


@diagnoses(
    check_staging_within_retention, es="Hay registros que nunca llegan a un estatus procesado, o están retenidos"
)
def records_cannot_be_purged(purge: Purging) -> Finding:
    """Records never get a processed status, or are on hold."""
    return _purging.cannot_go(purge.due())


@diagnoses(check_staging_within_retention, es="Después de la última purga llegaron registros ya vencidos")
def records_came_late(purge: Purging) -> Finding:
    """Records that were past their retention came after the last purge."""
    return _purging.came_late(purge.due(), purge.purges())


@remedies(check_staging_within_retention, risk=Risk.HIGH, settles=timedelta(minutes=1))
def purge_the_tables(findings: Findings, purge: Purging) -> Iterator[Step]:
    """Archive, read back, delete: the procedure of §4.1, which never deletes what it has not read back."""
    try:
        due = purge.due()
    except ProbeError:  # too much to count in time: the purge counts for itself
        due = None
    yield from _purging.steps(purge.purges(), purge.staged(), due, purge.fingerprint(), purge.most_percent)


@row(
    "STAGE-02",
    source="Guía de Operaciones §4.1: las tablas TBAE* crecen sin límite; 80 % del disco, como HOST-01",
    es="Las tablas de intercambio no llenarán el disco",
    # A month is time to buy a disk, a week to make room.
    threshold=Threshold(warning=timedelta(days=30), critical=timedelta(days=7), direction="below"),
    settings={
        # The size of the disk that the data lie on; 0: read it from the database's host, if that is among the hosts.
        "disk": 0,
        "full": 80,
        "look_back": timedelta(days=30),
        # Fewer or closer samples show the hour of the day, not growth.
        "least_samples": 5,
        "least_span": timedelta(days=3),
    },
    person=ROOM,
)
def check_staging_does_not_fill_the_disk(purge: Purging, hosts: Hosts, history: History, limits: Limits) -> None:
    """The exchange tables will not fill the disk.

    A full disk stops the database for everybody, and the deletes that would make room need room themselves.
    """
    now, staged = clock.now(), purge.staged()
    past = _filling.past(history, limits)
    samples = (*past.samples, (now, float(staged.bytes)))
    _past.tell(past, _filling.TOTAL, limits)
    if len(samples) < limits.number("least_samples") or now - samples[0][0] < limits.span("least_span"):
        _filling.tell(staged, {}, State.SKIPPED, limits)
        limits.skip(_filling.too_young(limits))
        return
    pace = _filling.growth(samples)
    room = _room(hosts, staged, limits) if pace else None
    known = pace is None or room is not None
    _filling.tell(staged, _paces(history, staged, now, limits), State.OK if known else State.SKIPPED, limits)
    if pace and room:
        _filling.judge(pace, room, now, limits)


def _room(hosts: Hosts, staged: Staged, limits: Limits) -> _filling.Room | None:
    """The disk by the row's setting, else by the database's host; says why where it is not known."""
    told = _filling.told_disk(staged, limits)
    if told is not None:
        return told
    try:
        host = _filling.host_of(staged, hosts.disks())
    except NotConfigured:
        host = None
    return _filling.found_disk(staged, host, limits)


def _paces(history: History, staged: Staged, now: datetime, limits: Limits) -> dict[str, float | None]:
    """Bytes a second of each table, by the name that its size is remembered under."""
    found = {}
    for table in staged.tables:
        name = _filling.bytes_of(table.table)
        earlier = history.samples("STAGE-02", name, limits.span("look_back"))
        found[name] = _filling.growth((*earlier, (now, float(table.bytes))))
    return found


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
    past = max(clock.now() - table.oldest - retention, timedelta(0))
    said = text("{table}: about {rows}, {size}, none past its retention", **kept)
    if past:
        # How many is counted by the retention of all tables, which the table's own may be shorter than.
        said = text("{table}: the oldest record is {past} past its retention; about {rows}, {size}", **kept, past=past)
    if past and table.overdue:
        said = text(
            "{table}: {overdue} past their retention, the oldest by {past}; about {rows} in all, {size}",
            **kept,
            overdue=_records(table.overdue),
            past=past,
        )
    limits.judge(past, of=table.table, summary=said)


def _records(count: int) -> Quantity:
    return Quantity(count, "records")
