"""The records that are not as they should be: timeless, twice, unknown to a catalogue, lost on their way. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from runbook.limits import Limits
from runbook.model import State
from runbook.text import Quantity, text

if TYPE_CHECKING:
    from runbook.targets.postgres.record_structs import (
        Absent,
        CatalogueValue,
        Duplicates,
        Enrolments,
        MotiveUse,
        Standing,
    )

STATUSES, SUBSYSTEMS = "ctmu011_estatus_procesamiento", "ctmu009_subsistema"
MOTIVES, ENROLMENT_STATUSES = "ctmu008_motivo_error", "ctmu014_estatus_inscripcion"
_ENROLMENTS, _ERRORS = "tbmu006_inscripcion", "tbae010_error"


class Use(NamedTuple):
    """How many records of a table have a value of a catalogue, and how many of these are not ended yet."""

    catalogue: str
    table: str
    id: int
    records: int
    waiting: int = 0


def judge_times(standing: Iterable[Standing], limits: Limits) -> None:
    """Each exchange table's records without a time, and where most of them are from."""
    timeless: dict[str, Counter[int | None]] = defaultdict(Counter)
    records: Counter[str] = Counter()
    for group in standing:
        records[group.table] += group.records
        timeless[group.table][group.subsystem_id] += group.null_times
    for table, by_subsystem in timeless.items():
        count = sum(by_subsystem.values())
        [(subsystem, most)] = by_subsystem.most_common(1)
        said = text("{table}: all of {records} have their time", table=table, records=n(records[table]))
        if count:
            known = {"table": table, "count": n(count), "records": n(records[table]), "most": n(most)}
            said = text(
                "{table}: {count} of {records} have no time; most, {most}, are of subsystem {subsystem}",
                **known,
                subsystem="–" if subsystem is None else subsystem,
            )
        limits.judge(count, of=table, summary=said)
    if not records:
        limits.hold(State.OK, of="tbae*", summary=text("The exchange tables are empty"))


def judge_duplicates(found: Iterable[Duplicates], limits: Limits) -> None:
    """Each exchange table's copies; a table whose key nobody knows is told and not judged."""
    for one in found:
        if not one.key:
            unknown = text(
                "{table}: which columns make two records the same is not known: set {setting}",
                table=one.table,
                setting=f"database.records.keys.{one.table}",
            )
            limits.hold(State.SKIPPED, of=one.table, summary=unknown)
            continue
        known = {"table": one.table, "key": ", ".join(one.key), "window": limits.span("look_back")}
        said = text("{table}: in {window} nothing came twice (by {key})", **known)
        if one.copies:
            said = text(
                "{table}: {events} came more than once in {window}, {copies} too many (by {key}), such as {uuid}",
                **known,
                events=Quantity(one.events, "events"),
                copies=n(one.copies),
                uuid=one.sample[0],
            )
        limits.judge(one.copies, of=one.table, summary=said)


def judge_absent(found: Iterable[Absent], limits: Limits) -> None:
    """Each exchange table's records that were answered as consolidated and are not in the core."""
    for one in found:
        if not one.by:
            unknown = text("{table} has no CURP to look its records up by in the core", table=one.table)
            limits.hold(State.SKIPPED, of=one.table, summary=unknown)
            continue
        known = {"table": one.table, "answered": n(one.answered), "core": one.by[-1]}
        said = text("{table}: all of {answered} answered as consolidated have their student in {core}", **known)
        if one.absent:
            said = text(
                "{table}: {absent} of {answered} answered as consolidated are not in {core}, such as {uuid}",
                **known,
                absent=n(one.absent),
                uuid=one.sample[0],
            )
        limits.judge(one.absent, of=one.table, summary=said)


def uses(standing: Iterable[Standing], enrolments: Iterable[Enrolments], motives: Iterable[MotiveUse]) -> Iterator[Use]:
    """What records refer to; a reference that is NULL refers to nothing."""
    for group in standing:
        waiting = 0 if group.ended else group.records
        for catalogue, id in ((STATUSES, group.status_id), (SUBSYSTEMS, group.subsystem_id)):
            if id is not None:
                yield Use(catalogue, group.table, id, group.records, waiting)
    for enrolled in enrolments:
        for catalogue, id in ((ENROLMENT_STATUSES, enrolled.status_id), (SUBSYSTEMS, enrolled.subsystem_id)):
            if id is not None:
                yield Use(catalogue, _ENROLMENTS, id, enrolled.records)
    for motive in motives:
        yield Use(MOTIVES, _ERRORS, motive.motive_id, motive.errors)


def judge_catalogues(values: Iterable[CatalogueValue], used: Iterable[Use], limits: Limits) -> None:
    """Each value that records have and the catalogue lacks, and each that was retired and still arrives."""
    active: dict[str, dict[int, bool]] = {name: {} for name in (MOTIVES, SUBSYSTEMS, STATUSES, ENROLMENT_STATUSES)}
    for value in values:
        active[value.catalogue][value.id] = value.active
    for catalogue, known in active.items():
        state = State.OK if known else State.CRITICAL
        limits.hold(state, of=catalogue, summary=text("{table} has {count} values", table=catalogue, count=len(known)))
    for use in _summed(used):
        _judge_use(use, active[use.catalogue].get(use.id), limits)


def _judge_use(use: Use, active: bool | None, limits: Limits) -> None:
    known = {"table": use.table, "id": use.id, "catalogue": use.catalogue}
    of = f"{use.table} ({use.catalogue} {use.id})"
    if active is None:
        said = text("{table}: {records} have {id}, which {catalogue} lacks", **known, records=n(use.records))
        limits.judge(use.records, of=of, summary=said)
    elif not active and use.waiting:
        said = text("{table}: {records} wait with {id}, which {catalogue} has retired", **known, records=n(use.waiting))
        limits.hold(State.WARNING, of=of, value=n(use.waiting), summary=said)


def _summed(used: Iterable[Use]) -> Iterator[Use]:
    sums: dict[tuple[str, str, int], tuple[int, int]] = {}
    for use in used:
        records, waiting = sums.get(use[:3], (0, 0))
        sums[use[:3]] = (records + use.records, waiting + use.waiting)
    return (Use(*key, *counts) for key, counts in sums.items())


def n(count: int) -> Quantity:
    """So many records."""
    return Quantity(count, "records")
