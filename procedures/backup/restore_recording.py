"""The proof of a backup by restoring it, and a backup brought back, as runs of the runbook."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from procedures.backup import proving, restoring
from procedures.backup.destination import Wanted
from procedures.backup.proving import Proven
from procedures.backup.restoring import Refused, Restored
from procedures.course import Course, decision
from runbook.errors import ActionError, RunbookError
from runbook.model import (
    Action,
    Effect,
    Measure,
    Outcome,
    Plan,
    Record,
    Risk,
    State,
    Step,
    Verdict,
    Verification,
)
from runbook.model import Proven as Tested
from runbook.site import Site
from runbook.targets.s3.backups import Proof
from runbook.text import Quantity, Text, bilingual, size, text

_SOURCE = "Guía de Operaciones §4.2"


class RestoreTestCourse(Course):
    """A backup restored into a throwaway cluster; changes nothing but that its proof is written beside it."""

    row = "RESTORE-TEST"
    alone = False

    def __init__(self, site: Site, id: str, *, folder: str | None = None, whole: bool = False, jobs: int = 1) -> None:
        super().__init__(site, id)
        self._folder, self._how = folder, {"whole": whole, "jobs": jobs}
        self.outlook: proving.Outlook | None = None
        self.found: Proven | None = None

    def look(self) -> None:
        """See which backup it would be, and whether there is room for it."""
        self.outlook = proving.look(self.site, self._folder, **self._how)  # type: ignore[arg-type]

    def act(self, board: Any) -> None:
        """Restore it and write the proof."""
        self.look()
        self.found = proving.proven(self.site, self._folder, watch=board, **self._how)  # type: ignore[arg-type]

    def outcome(self) -> dict[str, Any]:
        """The proof that was written."""
        return {"proof": self.found.key, "passed": self.found.proof.passed} if self.found else {"proof": None}

    def record(self, *, execute: bool) -> Record:
        """What is known by now."""
        step = Step(
            what=text("Restore {backup} into a throwaway cluster and compare", backup=self._backup()),
            target="storage",
            operation="prove_backup",
            risk=Risk.LOW,
            effect=Effect.CHANGE,
        )
        return Record(
            row=self.row,
            title=bilingual("The backup can be restored", "El respaldo se puede restaurar"),
            source=_SOURCE,
            section="backups",
            verdict=self._verdict(),
            plan=Plan(remedy="restore-test", steps=(step,), risk=Risk.LOW),
            decision=decision(execute=execute),
            actions=(self._action(step),) if execute else (),
            took=datetime.now(UTC) - self.began,
        )

    def _backup(self) -> str:
        return self.outlook.backup.folder if self.outlook else self._folder or ""

    def _verdict(self) -> Verdict:
        if self.found is not None:
            return _judged(self.found)
        if self.failure is not None or self.outlook is None:
            said = self.failure.said if self.failure else text("No backup was looked at")
            return Verdict(state=State.UNKNOWN, summary=said, judged_at=self.began)
        if self.outlook.objections:
            return Verdict(state=State.WARNING, summary=self.outlook.objections[0], judged_at=self.began)
        said = text(
            "{backup}: restoring it takes {need} in {folder}, which has {free} free",
            backup=self.outlook.backup.folder,
            need=size(self.outlook.need),
            folder=self.outlook.folder,
            free=size(self.outlook.free),
        )
        return Verdict(state=State.OK, summary=said, judged_at=self.began)

    def _action(self, step: Step) -> Action:
        took = datetime.now(UTC) - self.began
        if self.found is None:
            return _not_done(step, self.failure, self.began, took)
        said = text("The proof is {key}", key=self.found.key)
        return Action(step=step, outcome=Outcome.DONE, started_at=self.began, took=took, result=said)


class RestoreBackupCourse(Course):
    """A backup restored into a new database."""

    row = "RESTORE-BACKUP"

    def __init__(self, site: Site, id: str, *, wanted: Wanted, folder: str | None = None) -> None:
        super().__init__(site, id)
        self._folder, self._wanted = folder, wanted
        self.outlook: restoring.Outlook | None = None
        self.made: Restored | None = None

    def look(self) -> None:
        """See which backup would go where, and what forbids it."""
        self.outlook = restoring.look(self.site, self._folder, self._wanted)

    def act(self, board: Any) -> None:
        """Restore it; the database has its name only when it is whole."""
        self.look()
        self.made = restoring.restore(self.site, self._folder, self._wanted, watch=board)

    def outcome(self) -> dict[str, Any]:
        """What was restored, and into which database of which server."""
        if self.made is None:
            return {"database": None}
        return {"backup": self.made.backup.folder, "database": self.made.database, "server": self.made.where}

    def record(self, *, execute: bool) -> Record:
        """What is known by now."""
        step = self._step()
        return Record(
            row=self.row,
            title=bilingual("A backup is restored", "Se restaura un respaldo"),
            source=_SOURCE,
            section="backups",
            verdict=self._verdict(),
            plan=Plan(remedy="restore-backup", steps=(step,), risk=Risk.MEDIUM),
            decision=decision(execute=execute),
            actions=(self._action(step),) if execute else (),
            verification=self._verification(),
            took=datetime.now(UTC) - self.began,
        )

    def _step(self) -> Step:
        backup = self.outlook.backup.folder if self.outlook else self._folder or ""
        where = self.outlook.where if self.outlook else ""
        database = self._wanted.to
        return Step(
            what=text("Restore {backup} into {database} at {where}", backup=backup, database=database, where=where),
            target="database",
            operation="restore_backup",
            arguments={"database": database},
            risk=Risk.MEDIUM,
            effect=Effect.CHANGE,
        )

    def _verdict(self) -> Verdict:
        objections = self.outlook.objections if self.outlook else ()
        if isinstance(self.failure, Refused):
            objections = self.failure.objections
        if objections:
            return Verdict(state=State.WARNING, summary=objections[0], judged_at=self.began)
        if self.outlook is None:
            said = self.failure.said if self.failure else text("No backup was looked at")
            return Verdict(state=State.UNKNOWN, summary=said, judged_at=self.began)
        return Verdict(state=State.OK, summary=self._seen(self.outlook), judged_at=self.began)

    def _seen(self, outlook: restoring.Outlook) -> Text:
        manifest = outlook.backup.manifest
        named: dict[str, object] = {
            "backup": outlook.backup.folder,
            "bytes": size(manifest.dump_bytes),
            "rows": Quantity(sum(manifest.tables.values()), "rows"),
            "where": outlook.where,
        }
        if not outlook.left:
            return text("{backup} holds {rows} ({bytes}); it goes to {where}", **named)
        return text(
            "{backup} holds {rows} ({bytes}); it goes to {where}, where {left} is of a restore that was killed or "
            "works just now",
            left=outlook.left[0],
            **named,
        )

    def _action(self, step: Step) -> Action:
        took = datetime.now(UTC) - self.began
        if self.made is None:
            return _not_done(step, self.failure, self.began, took)
        return Action(step=step, outcome=Outcome.DONE, started_at=self.began, took=took, result=_restored(self.made))

    def _verification(self) -> Verification | None:
        if self.made is None:
            return None
        verdict = Verdict(state=State.OK, summary=_restored(self.made), judged_at=datetime.now(UTC))
        reason = text("Every table has as many rows as in the snapshot that was dumped")
        return Verification(proven=Tested.FIXED, verdict=verdict, took=timedelta(0), reason=reason)


def _not_done(step: Step, failure: RunbookError | None, began: datetime, took: timedelta) -> Action:
    refused = isinstance(failure, ActionError) and failure.refused
    outcome = Outcome.REFUSED if refused else Outcome.FAILED if failure else Outcome.NOT_RUN
    return Action(step=step, outcome=outcome, started_at=began, took=took, result=failure.said if failure else None)


def _judged(found: Proven) -> Verdict:
    proof = found.proof
    state = State.OK if proof.passed else State.CRITICAL
    measures = (
        *(_differs(table, *counts) for table, counts in proof.differing.items()),
        *(Measure(object=proof.backup, value=None, state=State.OK, summary=note) for note in found.notes),
    )
    return Verdict(state=state, summary=_summary(found), measures=measures, judged_at=proof.finished_at)


def _summary(found: Proven) -> Text:
    proof = found.proof
    if found.problem is not None:
        return text("{backup} cannot be relied on: {problem}", backup=proof.backup, problem=found.problem)
    if proof.differing:
        return text(
            "{backup}: {count} tables are not as in the snapshot", backup=proof.backup, count=len(proof.differing)
        )
    if proof.amcheck == "failed":
        return text("{backup}: an index of the restored database is damaged", backup=proof.backup)
    return text(
        "{backup} was restored in {took}: {tables} tables as in the snapshot, {sampled} compared", **_facts(proof)
    )


def _facts(proof: Proof) -> dict[str, object]:
    return {
        "backup": proof.backup,
        "took": timedelta(seconds=round(proof.seconds, 1)),
        "tables": proof.tables_compared,
        "sampled": Quantity(proof.sampled, "rows"),
    }


def _differs(table: str, expected: int, there: int) -> Measure:
    said = text("{table}: expected {expected}, found {found}", table=table, expected=expected, found=there)
    return Measure(object=table, value=Quantity(there, "rows"), state=State.CRITICAL, summary=said)


def _restored(made: Restored) -> Text:
    return text(
        "{backup} is {database} at {where}: {tables} tables, {rows}, in {took}",
        backup=made.backup.folder,
        database=made.database,
        where=made.where,
        tables=made.tables,
        rows=Quantity(made.rows, "rows"),
        took=made.took,
    )
