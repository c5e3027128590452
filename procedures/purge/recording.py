"""A purge as a run of the runbook: one record, shown and kept like that of any row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from procedures.course import Course, decision
from procedures.purge import outlook, running
from procedures.purge.ledger_structs import Standing
from procedures.purge.outlook import Outlook
from procedures.purge.running import Purged, Refused
from procedures.purge.surveying import Survey, TableSurvey
from procedures.purge.watching import Watch
from runbook.model import (
    Action,
    Effect,
    Measure,
    Outcome,
    Plan,
    Proven,
    Record,
    Risk,
    State,
    Step,
    Verdict,
    Verification,
)
from runbook.site import Site
from runbook.text import Quantity, Text, bilingual, size, text

_TITLE = bilingual("Purge of the exchange tables", "Purga de las tablas de intercambio")
_SOURCE = "Guía de Operaciones §4.1"


class PurgeCourse(Course):
    """One purge: what was there before, what was done, what is there after it."""

    row = "PURGE"

    def __init__(self, site: Site, id: str, *, confirmed: bool = False) -> None:
        super().__init__(site, id)
        self._confirmed = confirmed
        self.before: Outlook | None = None
        self.purged: Purged | None = None

    def look(self) -> None:
        """See what would go, and what forbids it."""
        self.before = outlook.look(self.site)

    def act(self, board: Any) -> None:
        """Purge."""
        self.purged = running.purge(self.site, confirmed=self._confirmed, watch=_Listening(self, board))

    def outcome(self) -> dict[str, Any]:
        """The rows deleted, by table."""
        return {"deleted": {table.name: table.deleted for table in self.purged.tables} if self.purged else {}}

    def record(self, *, execute: bool) -> Record:
        """What is known of it by now."""
        survey = self.before.survey if self.before else None
        return Record(
            row=self.row,
            title=_TITLE,
            source=_SOURCE,
            section="staging",
            verdict=self._verdict(self.before, self.began),
            plan=_plan(survey) if survey else None,
            decision=decision(execute=execute),
            actions=tuple(self._actions()) if execute else (),
            verification=self._verification(),
            person=self._person(),
            took=datetime.now(UTC) - self.began,
        )

    def _verdict(self, outlook: Outlook | None, at: datetime) -> Verdict:
        if outlook is None:
            said = self.failure.said if self.failure else text("The purge did not come to look at the tables")
            state = State.WARNING if isinstance(self.failure, Refused) else State.UNKNOWN
            return Verdict(state=state, summary=said, judged_at=at)
        measures = tuple(_measure(table) for table in outlook.survey.tables)
        if outlook.objections:
            return Verdict(state=State.WARNING, summary=outlook.objections[0], measures=measures, judged_at=at)
        refused = [table for table in outlook.survey.tables if table.refused]
        if refused:
            return Verdict(state=State.WARNING, summary=refused[0].refused[0], measures=measures, judged_at=at)
        return Verdict(state=State.OK, summary=_summary(outlook), measures=measures, judged_at=at)

    def _actions(self) -> Iterator[Action]:
        if self.before is None:
            return
        steps = {step.arguments["table"]: step for step in _plan(self.before.survey).steps}
        done = {table.name: table for table in self.purged.tables} if self.purged else {}
        for name, step in steps.items():
            standing = done.get(name)
            yield Action(
                step=step,
                outcome=self._outcome(standing),
                started_at=self.began,
                took=datetime.now(UTC) - self.began,
                result=_told(standing) if standing else self._why_not(),
            )

    def _why_not(self) -> Text | None:
        return self.failure.said if self.failure else None

    def _outcome(self, standing: Standing | None) -> Outcome:
        if standing is None:
            return Outcome.FAILED if self.failure else Outcome.NOT_RUN
        return Outcome.REFUSED if standing.state == "REFUSED" else Outcome.DONE

    def _verification(self) -> Verification | None:
        """The same look on the tables as they are now: fixed is what has nothing left to go."""
        if self.purged is None:
            return None
        left = self.purged.after.survey.qualifying
        verdict = self._verdict(self.purged.after, datetime.now(UTC))
        proven = Proven.NOT_FIXED if left else Proven.FIXED
        reason = text("{rows} records qualify after the purge", rows=left)
        return Verification(proven=proven, verdict=verdict, took=timedelta(0), reason=reason)

    def _person(self) -> Text | None:
        """What is left for a person to decide."""
        if self.failure:
            return text("Nothing is lost: the same command goes on where this one stopped")
        if self.purged and (notes := self.purged.notes):
            return notes[0]
        if self.before and len(self.before.objections) > 1:
            return self.before.objections[1]
        return None


class _Listening:
    """Hands everything on to another watch, and keeps the survey."""

    def __init__(self, course: PurgeCourse, watch: Watch) -> None:
        self._course, self._watch = course, watch
        self.resumed, self.progressed, self.noticed = watch.resumed, watch.progressed, watch.noticed

    def surveyed(self, survey: Survey) -> None:
        """Keep it, and hand it on."""
        self._course.before = Outlook(survey=survey, objections=())
        self._watch.surveyed(survey)


def _plan(survey: Survey) -> Plan:
    return Plan(
        remedy="purge",
        steps=tuple(_step(table) for table in survey.tables if table.qualifying and not table.refused),
        reason=text("Nothing has outlived its retention"),
        risk=Risk.HIGH,
    )


def _step(table: TableSurvey) -> Step:
    return Step(
        what=text(
            "Archive {rows} of {table} before {cutoff}, read them back, delete them",
            rows=_rows(table.qualifying),
            table=table.table,
            cutoff=table.cutoff,
        ),
        target="database",
        operation="purge",
        arguments={"table": table.table, "cutoff": table.cutoff},
        risk=Risk.HIGH,
        effect=Effect.DESTROY,
        undo=Step(
            what=text("Bring them back: muses-runbook run restore-archive --table {table}", table=table.table),
            target="database",
            operation="restore_archive",
            arguments={"table": table.table},
            effect=Effect.CHANGE,
        ),
        touches=table.qualifying,
        population=table.rows,
    )


def _measure(table: TableSurvey) -> Measure:
    if table.refused:
        return Measure(object=table.table, value=_rows(0), state=State.WARNING, summary=table.refused[0])
    return Measure(object=table.table, value=_rows(table.qualifying), state=State.OK, summary=_of_table(table))


def _of_table(table: TableSurvey) -> Text:
    named: dict[str, object] = {"table": table.table, "rows": _rows(table.rows)}
    if not table.qualifying and not table.timeless and not table.unprocessed:
        return text("{table}: nothing of {rows} has outlived its retention", **named)
    named |= {"going": table.qualifying, "bytes": size(table.going)}
    if not table.timeless and not table.unprocessed:
        return text("{table}: {going} of {rows} are to go, about {bytes}", **named)
    return text(
        "{table}: {going} of {rows} are to go, about {bytes}; {timeless} without a time and {unprocessed} that are old "
        "and not processed stay",
        timeless=table.timeless,
        unprocessed=table.unprocessed,
        **named,
    )


def _summary(outlook: Outlook) -> Text:
    survey = outlook.survey
    if not survey.qualifying:
        return text("Nothing has outlived its retention")
    going = sum(table.going for table in survey.tables if not table.refused)
    return text(
        "{rows} are to go, about {bytes}, in about {took}",
        rows=_rows(survey.qualifying),
        bytes=size(going),
        took=timedelta(seconds=max(1, round(survey.qualifying / outlook.rate))),
    )


def _told(standing: Standing) -> Text:
    if standing.refused:
        return standing.refused[0]
    return text(
        "Archived and read back {archived} in {batches} batches ({bytes}); deleted {deleted}; {changed} had changed "
        "meanwhile and stay",
        archived=_rows(standing.archived),
        batches=standing.batches,
        bytes=size(standing.archived_bytes),
        deleted=standing.deleted,
        changed=standing.changed,
    )


def _rows(count: int) -> Quantity:
    return Quantity(count, "rows")
