"""A procedure as a run of the runbook: one record, shown and kept like that of any row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import Any, ClassVar

from runbook.errors import ActionError, RunbookError
from runbook.model import Action, Choice, Decision, Measure, Outcome, Record, Run, State, Step, Verdict
from runbook.site import Site
from runbook.text import Text, text
from runbook.timeline import timeline


class Course(ABC):
    """What is learnt of one procedure as it goes, and the run that is made of it in the end.

    ``failure`` is what ended it early. Subclasses keep the rest, and say how it reads.
    """

    row: ClassVar[str]
    #: Whether it changes a target that others may be changing: then it acts alone on this machine.
    alone: ClassVar[bool] = True

    def __init__(self, site: Site, id: str) -> None:
        self.id, self.site, self.began = id, site, datetime.now(UTC)
        self.failure: RunbookError | None = None

    @abstractmethod
    def look(self) -> None:
        """Find out what would be done; reads only."""

    @abstractmethod
    def act(self, board: Any) -> None:
        """Do it, with ``board`` to watch, and look what came of it."""

    @abstractmethod
    def record(self, *, execute: bool) -> Record:
        """What is known by now."""

    def outcome(self) -> dict[str, Any]:
        """What the journal keeps of it (JSON values)."""
        return {}

    def judged(self, state: State, said: Text, measures: tuple[Measure, ...] = ()) -> Verdict:
        """A verdict on what was there when it began."""
        return Verdict(state=state, summary=said, measures=measures, judged_at=self.began)

    def unseen(self, otherwise: Text) -> Verdict:
        """Nothing was seen: what ended it says why, ``otherwise`` where nothing did."""
        return self.judged(State.UNKNOWN, self.failure.said if self.failure else otherwise)

    def action(self, step: Step, done: Text | None) -> Action:
        """What became of its one step: ``done`` tells of it, None where it was not done."""
        return Action(
            step=step,
            outcome=self._missed() if done is None else Outcome.DONE,
            started_at=self.began,
            took=datetime.now(UTC) - self.began,
            result=done or (self.failure.said if self.failure else None),
        )

    def _missed(self) -> Outcome:
        if isinstance(self.failure, ActionError) and self.failure.refused:
            return Outcome.REFUSED
        return Outcome.FAILED if self.failure else Outcome.NOT_RUN

    def run(self, *, execute: bool, interrupted: bool = False) -> Run:
        """The run with its one record, as far as the procedure came."""
        record = self.record(execute=execute)
        return Run(
            id=self.id,
            environment=self.site.environment,
            started_at=self.began,
            ended_at=datetime.now(UTC),
            records=(record,),
            events=timeline(self.began, (record,)),
            fixing=execute,
            interrupted=interrupted,
        )


def decision(*, execute: bool) -> Decision:
    """A procedure acts when a person says so."""
    if execute:
        return Decision(choice=Choice.ACT, reason=text("Asked for with --execute"), rule="--execute", by="person")
    dry = text("This was a dry run: with --execute it would act")
    return Decision(choice=Choice.LEAVE, reason=dry, rule="--execute")
