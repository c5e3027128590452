"""Acting runs that were killed, as the journal and the targets tell of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from checks._found import confirmed
from runbook.limits import Limits
from runbook.model import Evidence, Finding, State
from runbook.text import Text, text

if TYPE_CHECKING:
    from runbook.targets.run_structs import BegunStep, KilledRun

FOR_A_PERSON = text(
    "The next acting run closes what the targets tell of. What is unknown a person closes: look at it, then "
    "muses-runbook audit settle NUMBER --as NAME --reason WHY"
)


class ActingRuns(Protocol):
    """Who knows of them."""

    def acted(self) -> bool:
        """Whether any run ever acted on this machine."""

    def killed(self) -> tuple[KilledRun, ...]:
        """Those that have no end, oldest first."""


def judge(runs: Sequence[KilledRun], limits: Limits) -> None:
    """Each run that was killed, and each step that it began: CRITICAL where nothing tells how far that got."""
    for run in runs:
        limits.hold(State.WARNING, of=run.run, summary=_killed(run))
        for step in run.begun:
            state = State.CRITICAL if step.seen == "unknown" and not run.procedure else State.WARNING
            limits.hold(state, of=f"{step.row} #{step.number}", summary=_seen(step, run))
    limits.hold(State.OK, of="*", summary=text("Acting runs that were killed and not closed: {count}", count=len(runs)))


def explained(runs: Sequence[KilledRun]) -> Finding:
    """What each did, what it began, and what is seen of that."""
    said = text("Acting runs that were killed and not closed: {count}", count=len(runs))
    return confirmed(said, *(fact for run in runs for fact in _facts(run)))


def _facts(run: KilledRun) -> Iterator[Evidence]:
    for done in run.done:
        yield Evidence(statement=done, source=f"{run.run}: done")
    for step in run.begun:
        yield Evidence(statement=step.what, source=f"{run.run} #{step.number}: {step.seen}", sample=(str(step.said),))


def _killed(run: KilledRun) -> Text:
    if run.procedure:
        return text("Run {run} of a procedure was killed: begun again, it goes on where it was", run=run.run)
    return text(
        "Run {run} was killed after {done} steps; {begun} more were begun; judged again after it: {proven}",
        run=run.run,
        done=len(run.done),
        begun=len(run.begun),
        proven=", ".join(run.proven) or "—",
    )


def _seen(step: BegunStep, run: KilledRun) -> Text:
    if run.procedure:
        return text("The procedure has no end in the journal")
    match step.seen:
        case "done":
            return text("It was begun, and is done: {said}", said=step.said)
        case "not done":
            return text("It was begun, and is not done: {said}", said=step.said)
        case "halfway":
            return text("It was begun, and is halfway: {said}", said=step.said)
        case _:
            return text("It was begun, and it is not known what it did: {said}", said=step.said)
