"""What was done in the month: remedies, backups with their proofs, purges, and the other procedures."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

import msgspec

from reports.monthly.month import Month, day_of, days, in_month
from runbook.model import Action, Outcome, Proven, Record, Run, State, final
from runbook.text import Quantity, Text

#: What decides where a person asked for a procedure by its command.
_ASKED = "--execute"
BACKUP, RESTORE, PURGE = "BACKUP", "RESTORE-TEST", "PURGE"
YOUNG = "BACKUP-01"


class Fix(msgspec.Struct, frozen=True):
    """A remedy of a row that was tried: ``proven`` is None where its check did not judge again."""

    at: datetime
    row: str
    steps: tuple[Text, ...]
    outcome: Outcome
    proven: Proven | None
    run: str


class Procedure(msgspec.Struct, frozen=True):
    """A procedure that was carried out, not a dry run of one: ``result`` is its own word."""

    at: datetime
    row: str
    title: Text
    outcome: Outcome
    result: Text
    run: str


class Backups(msgspec.Struct, frozen=True):
    """The days with a backup that was read back whole, those without one, and those of which nothing is known."""

    made: int
    days_with: tuple[date, ...]
    days_without: tuple[date, ...]
    days_unknown: tuple[date, ...]
    restored_at: tuple[datetime, ...]
    failed_at: tuple[datetime, ...]


class Purged(msgspec.Struct, frozen=True):
    """What the purges of the month deleted of one table, after it was archived and read back."""

    table: str
    deleted: int
    changed: int
    purges: int


def fixes(month: Month) -> tuple[Fix, ...]:
    """Every remedy that was tried, oldest first."""
    found = (_fix(run, record) for run, record in _of_month(month) if record.actions and not _is_procedure(run, record))
    return tuple(one for one in found if one.outcome is not Outcome.NOT_RUN)


def carried_out(month: Month) -> tuple[Procedure, ...]:
    """Every procedure that was carried out, oldest first."""
    return tuple(
        Procedure(run.started_at, record.row, record.title, _outcome(record.actions), _result(record), run.id)
        for run, record in _of_month(month)
        if _is_procedure(run, record)
    )


def backups(month: Month) -> Backups:
    """The backups by the procedure's own runs, and by the row that looks for the newest one."""
    made = [run.started_at for run, record in _of_month(month) if record.row == BACKUP and _is_proven(run, record)]
    young = [(day_of(month, one.at), one.final) for one in in_month(month) if one.row == YOUNG]
    with_one = {day_of(month, at) for at in made} | {day for day, state in young if state is State.OK}
    looked = {day for day, state in young if state in (State.WARNING, State.CRITICAL)}
    restores = [(run.ended_at, final(record).state) for run, record in _of_month(month) if _is_restore(run, record)]
    return Backups(
        made=len(made),
        days_with=tuple(sorted(with_one)),
        days_without=tuple(sorted(looked - with_one)),
        days_unknown=tuple(day for day in days(month) if day not in with_one | looked),
        restored_at=tuple(at for at, state in restores if state is State.OK),
        failed_at=tuple(at for at, state in restores if state is State.CRITICAL),
    )


def purged(month: Month) -> tuple[Purged, ...]:
    """Table by table, the largest first."""
    found: dict[str, Purged] = {}
    for run, record in _of_month(month):
        for action in record.actions if record.row == PURGE and _is_procedure(run, record) else ():
            table = str(action.step.arguments.get("table", "–"))
            before = found.get(table, Purged(table, 0, 0, 0))
            deleted, changed = _count(action, "deleted"), _count(action, "changed")
            found[table] = Purged(table, before.deleted + deleted, before.changed + changed, before.purges + 1)
    return tuple(sorted(found.values(), key=lambda one: -one.deleted))


def _of_month(month: Month) -> Iterator[tuple[Run, Record]]:
    for run in month.runs:
        if month.start <= run.started_at < month.until:
            yield from ((run, record) for record in run.records)


def _is_procedure(run: Run, record: Record) -> bool:
    """Carried out: the dry run of a procedure is not."""
    return run.fixing and record.decision is not None and record.decision.rule == _ASKED


def _is_proven(run: Run, record: Record) -> bool:
    proof = record.verification
    return _is_procedure(run, record) and proof is not None and proof.proven is Proven.FIXED


def _is_restore(run: Run, record: Record) -> bool:
    return record.row == RESTORE and _is_procedure(run, record)


def _fix(run: Run, record: Record) -> Fix:
    tried = [action for action in record.actions if action.outcome is not Outcome.NOT_RUN]
    proven = record.verification.proven if record.verification else None
    at = tried[0].started_at if tried else run.started_at
    return Fix(at, record.row, tuple(action.step.what for action in tried), _outcome(record.actions), proven, run.id)


def _outcome(actions: tuple[Action, ...]) -> Outcome:
    """That of the steps as a whole: the first that was not done decides."""
    return next((action.outcome for action in actions if action.outcome is not Outcome.DONE), _default(actions))


def _default(actions: tuple[Action, ...]) -> Outcome:
    return Outcome.DONE if actions else Outcome.NOT_RUN


def _result(record: Record) -> Text:
    told = next((action.result for action in record.actions if action.result is not None), None)
    return told or final(record).summary


def _count(action: Action, name: str) -> int:
    given = action.result.values.get(name) if action.result else None
    if isinstance(given, Quantity):
        return round(given.value)
    return given if isinstance(given, int) and not isinstance(given, bool) else 0
