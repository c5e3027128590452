"""An incident over three runs and a month of nights, as the history and the stored runs tell of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from reports import levels
from reports.monthly.month import Month
from reports.postmortem.case import Case
from runbook.history import Judged, Kept, Measured
from runbook.model import Action, Choice, Decision, Measure, Outcome, Proven, Record, Run, State, Step, Verdict
from runbook.model import Verification as Proved
from runbook.text import Quantity, Text, text
from tests.reports import factory

replace = msgspec.structs.replace
LEVELS = levels.levels(99.9, 99.9, ("DB-02",), {})
#: A month of thirty days in a zone of -06:00.
FIRST, NEXT = datetime(2026, 11, 1, 6, tzinfo=UTC), datetime(2026, 12, 1, 6, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def judged(row: str, at: datetime, state: State, final: State | None = None, run: str = "") -> Judged:
    """One judgement."""
    return Judged(run or f"run-{at:%d%H%M}", row, at, state, final or state, False)


def case(**changes: Any) -> Case:
    """ETL-01 and QUEUE-01 broken for an hour: seen, seen again worse, and mended."""
    runs = tuple(_run(minutes) for minutes in (0, 30, 60))
    began = runs[0].started_at
    before = (judged("ETL-01", began - 20 * MINUTE, State.OK), judged("QUEUE-01", began - 20 * MINUTE, State.OK))
    seen = tuple(
        judged(record.row, record.verdict.judged_at, record.verdict.state, _final(record), run.id)
        for run in runs
        for record in run.records
    )
    given: dict[str, Any] = {
        "id": "lab-20261124T143105Z",
        "environment": runs[0].environment,
        "began": began,
        "ended": runs[-1].ended_at,
        "rows": ("QUEUE-01", "ETL-01"),
        "worst": State.CRITICAL,
        "runs": runs,
        "judged": (*before, *seen),
        "run_ends": {run.id: run.ended_at for run in runs},
        "levels": LEVELS,
        "made_at": runs[-1].ended_at + HOUR,
    }
    return Case(**{**given, **changes})


def _final(record: Record) -> State:
    return record.verification.verdict.state if record.verification else record.verdict.state


def _run(minutes: int) -> Run:
    """The factory's night at so many minutes: its queue is mended by the last run only, where the ETL is well too."""
    run = factory.incident()
    records = [_later(record, minutes) for record in (factory.queue(), factory.etl())]
    at = run.started_at + minutes * MINUTE
    return replace(
        run, id=f"run-{minutes}", started_at=at, ended_at=at + 27 * timedelta(seconds=1), records=tuple(records)
    )


def _later(record: Record, minutes: int) -> Record:
    moved = replace(record, verdict=replace(record.verdict, judged_at=record.verdict.judged_at + minutes * MINUTE))
    if record.row == "ETL-01":
        state = {0: State.WARNING, 30: State.CRITICAL, 60: State.OK}[minutes]
        return replace(
            moved, verdict=replace(moved.verdict, state=state), findings=moved.findings if minutes < 60 else ()
        )
    if minutes < 60 or moved.verification is None:
        return replace(moved, actions=(), verification=None, decision=_asks())
    later = tuple(replace(one, started_at=one.started_at + minutes * MINUTE) for one in moved.actions)
    verdict = replace(moved.verification.verdict, judged_at=moved.verification.verdict.judged_at + minutes * MINUTE)
    return replace(moved, actions=later, verification=replace(moved.verification, verdict=verdict))


def _asks() -> Decision:
    return Decision(choice=Choice.ASK, reason=factory.both("a person decides", "decide una persona"), rule="policy")


def month(**changes: Any) -> Month:
    """Thirty nights with one run each at five o'clock, but for the 7th and the 8th; the ETL was critical on the 4th."""
    nights = [FIRST + day * DAY + 5 * HOUR for day in range(30) if day not in (6, 7)]
    rows = ("DB-02", "ETL-01", "ETL-03", "STAGE-02", "BACKUP-01", "HOST-01")
    given: dict[str, Any] = {
        "environment": factory.incident().environment,
        "start": FIRST,
        "end": NEXT,
        "made_at": NEXT + DAY,
        "judged": tuple(judged(row, at, _state(row, at)) for at in nights for row in rows),
        "kept": tuple(Kept(f"run-{at:%d%H%M}", at, at + MINUTE, State.OK, "") for at in nights),
        "measures": tuple(one for place, at in enumerate(nights) for one in _measures(at, place)),
        "runs": (limits_of_the_etl(nights[-1]),),
        "levels": LEVELS,
    }
    return Month(**{**given, **changes})


def _state(row: str, at: datetime) -> State:
    if row == "HOST-01":
        return State.UNKNOWN
    return State.CRITICAL if row == "ETL-01" and at.day == 4 else State.OK


def _measures(at: datetime, place: int) -> tuple[Measured, ...]:
    days = (at - FIRST).days
    return (
        Measured("ETL-01", "tbae*", at, 3000.0 if at.day == 4 else 300.0 + place, State.OK),
        Measured("STAGE-02", "tbae* (bytes)", at, 4e9 + days * 5e7, State.OK),
        Measured("HOST-01", "db1:/var", at, 60 + days * 0.5, State.OK),
    )


def limits_of_the_etl(at: datetime) -> Run:
    """A run that says by which limits the ETL and the disks are judged."""
    latency = Measure(
        object="tbae*",
        value=Quantity(320, "s"),
        state=State.OK,
        warning=Quantity(900, "s"),
        critical=Quantity(2700, "s"),
    )
    disk = Measure(
        object="db1:/var",
        value=Quantity(75, "%"),
        state=State.OK,
        warning=Quantity(80, "%"),
        critical=Quantity(90, "%"),
    )
    size = Measure(object="tbae* (bytes)", value=Quantity(5e9, "B"), state=State.OK)
    records = (
        _in_order("ETL-01", "Latencia del Proceso ETL", latency, at),
        _in_order("HOST-01", "Los discos de los servidores tienen espacio", disk, at),
        _in_order("STAGE-02", "Las tablas de intercambio no llenarán el disco", size, at),
    )
    return replace(
        factory.incident(), id=f"run-{at:%d%H%M}", started_at=at, ended_at=at + MINUTE, records=records, fixing=False
    )


def _in_order(row: str, title: str, measure: Measure, at: datetime) -> Record:
    verdict = Verdict(state=State.OK, summary=text("x"), measures=(measure,), judged_at=at)
    return Record(row=row, title=factory.both(title, title), verdict=verdict)


def procedure(row: str, at: datetime, result: Text, *, state: State = State.OK, executed: bool = True) -> Run:
    """A procedure that was carried out, or its dry run; a backup proves itself."""
    verdict = Verdict(state=state, summary=result, judged_at=at)
    step = Step(what=text("{row}", row=row), target="database", operation="x", arguments={"table": "tbae009_respuesta"})
    action = Action(step=step, outcome=Outcome.DONE, started_at=at, result=result)
    record = Record(
        row=row,
        title=factory.both(row, row),
        verdict=verdict,
        decision=Decision(choice=Choice.ACT, reason=text("x"), rule="--execute", by="person"),
        actions=(action,) if executed else (),
        verification=Proved(proven=Proven.FIXED, verdict=verdict, took=MINUTE)
        if executed and row == "BACKUP"
        else None,
    )
    return replace(
        factory.incident(), id=f"{row}-{at:%d}", started_at=at, ended_at=at + MINUTE, records=(record,), fixing=executed
    )


def shifted(value: Any, span: timedelta) -> Any:
    """The same with every moment later by so much."""
    match value:
        case datetime():
            return value + span
        case msgspec.Struct():
            changed = {name: shifted(getattr(value, name), span) for name in value.__struct_fields__}
            return replace(value, **changed)
        case tuple():
            return tuple(shifted(inner, span) for inner in value)
        case _:
            return value
