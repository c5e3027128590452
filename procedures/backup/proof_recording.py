"""The proof of a backup by restoring it, as a run of the runbook."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from procedures.backup import proving
from procedures.backup.needing import Outlook
from procedures.backup.proving import Proven
from procedures.course import Course, decision
from runbook.model import Effect, Measure, Plan, Record, Risk, State, Step, Verdict
from runbook.site import Site
from runbook.targets.s3.backups import Proof
from runbook.text import Quantity, Text, bilingual, size, text


class RestoreTestCourse(Course):
    """A backup restored into a throwaway cluster; changes nothing but that its proof is written beside it."""

    row = "RESTORE-TEST"
    alone = False

    def __init__(self, site: Site, id: str, *, folder: str | None = None, whole: bool = False, jobs: int = 1) -> None:
        super().__init__(site, id)
        self._folder, self._whole, self._jobs = folder, whole, jobs
        self.outlook: Outlook | None = None
        self.found: Proven | None = None

    def look(self) -> None:
        """See which backup it would be, and whether there is room for it."""
        self._saw(proving.look(self.site, self._folder, whole=self._whole, jobs=self._jobs))

    def act(self, board: Any) -> None:
        """Restore it and write the proof."""
        self.found = proving.proven(
            self.site, self._folder, whole=self._whole, jobs=self._jobs, watch=board, seen=self._saw
        )

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
            source="Guía de Operaciones §4.2",
            section="backups",
            verdict=self._verdict(),
            plan=Plan(remedy="restore-test", steps=(step,), risk=Risk.LOW),
            decision=decision(execute=execute),
            actions=(self.action(step, self._done()),) if execute else (),
            took=datetime.now(UTC) - self.began,
        )

    def _saw(self, outlook: Outlook) -> None:
        self.outlook = outlook

    def _done(self) -> Text | None:
        return text("The proof is {key}", key=self.found.key) if self.found else None

    def _backup(self) -> str:
        return self.outlook.backup.folder if self.outlook else self._folder or ""

    def _verdict(self) -> Verdict:
        if self.found is not None:
            return _judged(self.found)
        if self.failure is not None or self.outlook is None:
            return self.unseen(text("No backup was looked at"))
        if self.outlook.objections:
            return self.judged(State.WARNING, self.outlook.objections[0])
        said = text(
            "{backup}: restoring it takes {need} in {folder}, which has {free} free",
            backup=self.outlook.backup.folder,
            need=size(self.outlook.need),
            folder=self.outlook.folder,
            free=size(self.outlook.free),
        )
        return self.judged(State.OK, said)


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
