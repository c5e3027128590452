"""Retention as a run of the runbook."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from procedures.backup import retaining
from procedures.backup.retaining import Retained
from procedures.backup.retention import Retention
from procedures.course import Course, decision
from runbook.model import Action, Effect, Measure, Outcome, Plan, Record, Risk, State, Step, Verdict
from runbook.site import Site
from runbook.text import Quantity, Text, bilingual, text


class RetentionCourse(Course):
    """One look at all published backups: which stay and why, which may go."""

    row = "RETENTION"

    def __init__(self, site: Site, id: str, *, confirmed: bool = False) -> None:
        super().__init__(site, id)
        self._confirmed = confirmed
        self._seen: Retention | None = None
        self._retained: Retained | None = None

    def look(self) -> None:
        """See what would go."""
        self._seen = retaining.look(self.site)

    def act(self, board: Any) -> None:
        """Remove what may go."""
        self._retained = retaining.retain(self.site, confirmed=self._confirmed)
        self._seen = self._retained.retention

    def outcome(self) -> dict[str, Any]:
        """The folders that went."""
        return {"removed": list(self._retained.removed) if self._retained else []}

    def record(self, *, execute: bool) -> Record:
        """What is known by now."""
        steps = tuple(_step(folder) for folder in self._seen.remove) if self._seen else ()
        return Record(
            row=self.row,
            title=bilingual("Retention of the backups", "Retención de los respaldos"),
            source="Guía de Operaciones §4.2: 30 días",
            section="backups",
            verdict=self._verdict(),
            plan=Plan(remedy="retention", steps=steps, reason=text("Nothing may go"), risk=Risk.HIGH),
            decision=decision(execute=execute),
            actions=tuple(self._action(step) for step in steps) if execute else (),
            took=datetime.now(UTC) - self.began,
        )

    def _verdict(self) -> Verdict:
        seen = self._seen
        if seen is None:
            return self.unseen(text("The backups were not looked at"))
        kept = tuple(_kept(one.folder, one.reasons) for one in seen.keep)
        going = tuple(_going(folder, frozen=bool(seen.frozen)) for folder in seen.removable)
        if seen.frozen:
            return self.judged(State.WARNING, seen.frozen[0], (*going, *kept))
        said = text("{kept} backups stay, {going} may go", kept=len(kept), going=len(going))
        return self.judged(State.OK, said, (*going, *kept))

    def _action(self, step: Step) -> Action:
        folder = step.arguments["folder"]
        stayed = self._retained.stayed.get(folder) if self._retained else None
        outcome = Outcome.FAILED if stayed else Outcome.DONE if self._retained else Outcome.NOT_RUN
        return Action(step=step, outcome=outcome, started_at=self.began, result=stayed)


def _step(folder: str) -> Step:
    return Step(
        what=text("Remove {folder}: its manifest, then its data", folder=folder),
        target="storage",
        operation="remove_backup",
        arguments={"folder": folder},
        risk=Risk.HIGH,
        effect=Effect.DESTROY,
    )


def _kept(folder: str, reasons: tuple[Text, ...]) -> Measure:
    return Measure(object=folder, value=Quantity(1, "backup"), state=State.OK, summary=reasons[0])


def _going(folder: str, *, frozen: bool) -> Measure:
    said = text("{folder} may go", folder=folder)
    if frozen:
        said = text("{folder} could go, and stays as long as nothing is removed", folder=folder)
    return Measure(object=folder, value=Quantity(0, "backup"), state=State.OK, summary=said)
