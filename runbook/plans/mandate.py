"""An approved plan at work: only what was approved runs, and only where everything is still as it was approved.

Every row of the plan is judged, explained and planned for anew by the reader; a row runs when its remedy plans the same
steps on the same fingerprints again and policy's guards let it. What runs are the steps as they were approved. Each
operation compares its fingerprint once more, just before it acts.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from runbook.acting import journal
from runbook.acting.copies import journal_file
from runbook.errors import PlanError
from runbook.job import Job
from runbook.model import Choice, Decision, Plan, State, Step
from runbook.plans.approving import Standing
from runbook.plans.plan_file import PlanFile, PlannedRow, plain
from runbook.policy import SIGNATURE, leave, too_large
from runbook.settings import PolicySettings
from runbook.targets.base import Target
from runbook.text import Text, text

#: What of a step must be the same; how it is told, and out of how many objects, may differ.
_SAME = ("target", "operation", "arguments", "fingerprint", "risk", "effect", "touches")
RULE = "approval"
CHANGED = "approval.changed"


class Mandate:
    """What was approved, by whom, and what happens to the rest where a part may not run any more."""

    def __init__(self, plan: PlanFile, standing: Standing, settings: PolicySettings) -> None:
        if not standing.is_approved:
            raise PlanError(text("The plan is not approved"))
        self._plan, self._standing, self._settings = plan, standing, settings

    def rule(self, jobs: Iterable[Job]) -> None:
        """Decide on every job, before any acts: approved and unchanged, or refused with what changed."""
        by_row = {job.row.id: job for job in jobs}
        planned = {row.row: row for row in self._plan.plan.rows}
        refusals = {id: _refusal(planned.get(id), job, self._settings) for id, job in by_row.items()}
        refused = sorted({id for id, why in refusals.items() if why is not None} | (set(planned) - set(by_row)))
        for id, job in by_row.items():
            job.decision = refusals[id] or self._word(refused)
            if job.plan is not None and job.decision.choice is Choice.ACT:
                steps = planned[id].plan.steps
                job.plan = msgspec.structs.replace(job.plan, steps=steps, digest=self._plan.hash)

    def _word(self, refused: list[str]) -> Decision:
        if refused and self._settings.approval.changed == "nothing":
            words = text("Nothing of the plan runs, because not all of it may: {rows}", rows=", ".join(refused))
            return leave("policy.approval.changed", words)
        claims = [approval.claim for approval in self._standing.counting]
        reasons = "; ".join(f"{claim.name}: {claim.reason}" for claim in claims)
        words = text("The plan {hash} is approved: {reasons}", hash=self._plan.hash[:12], reasons=reasons)
        return Decision(choice=Choice.ACT, reason=words, rule=RULE, by=self._standing.names)


def differences(approved: Plan, now: Plan, targets: Mapping[str, Any]) -> tuple[str, ...]:
    """What differs between the approved steps and those that would be planned now; empty when nothing does."""
    pairs = enumerate(zip_longest(approved.steps, now.steps), 1)
    return tuple(f"{n}. {told}" for n, (then, new) in pairs for told in _differences(then, new, targets))


@contextmanager
def applied_once(plan: PlanFile, state_folder: Path) -> Iterator[None]:
    """Hold the plan while it is applied. Raises PlanError when it was begun before, or is being applied.

    A plan is begun when the journal has an intent that names its hash: what a run that was killed left behind is not
    gone on with, but looked at and planned for anew. Raises JournalError when the journal cannot be read.
    """
    folder = state_folder / "plans"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / f"{plan.hash}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise PlanError(text("{folder} cannot be written: {error}", folder=folder, error=error.strerror)) from error
    try:
        _take(handle)
        for entry in journal.verify(journal_file(state_folder)):
            if entry.kind == "intent" and entry.body.get("plan") == plan.hash:
                raise PlanError(text("The plan was applied in run {run} already: make a new one", run=entry.run))
        yield
    finally:
        os.close(handle)


def _take(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise PlanError(text("The plan is being applied by another process")) from error


def _refusal(planned: PlannedRow | None, job: Job, settings: PolicySettings) -> Decision | None:
    """Why the row may not run now; None when it may."""
    if planned is None:
        return leave(RULE, text("The approved plan says nothing of this row"))
    if not job.breached:
        return leave(CHANGED, _unbreached(job))
    if job.plan is None or not job.plan.steps:
        return leave(CHANGED, text("The remedy would do nothing now"))
    changed = differences(planned.plan, job.plan, job.targets)
    if changed:
        return leave(CHANGED, text("Changed since the plan was made: {changes}", changes="; ".join(changed)))
    if job.decision is None or (job.decision.choice is Choice.LEAVE and job.decision.rule != SIGNATURE):
        return job.decision or leave("policy", text("The policy cannot be read: nothing acts"))
    # What was approved may be larger than what would be planned now.
    return next(too_large(planned.plan, settings), None)


def _unbreached(job: Job) -> Text:
    if job.verdict is not None and job.verdict.state is State.OK:
        return text("The row is in order again: there is nothing to do")
    return text("The row cannot be seen now: what cannot be compared does not run")


def _differences(then: Step | None, now: Step | None, targets: Mapping[str, Any]) -> Iterator[str]:
    if then is None or now is None:
        yield f"{_name(now)} (+)" if now is not None else f"{_name(then)} (–)"
        return
    target = targets.get(now.target)
    chosen = target.chosen_in(now) if isinstance(target, Target) else frozenset()
    was, found = (_without(chosen, _compared(plain(step))) for step in (then, now))
    for key in dict.fromkeys((*was, *found)):
        if was.get(key) != found.get(key):
            yield f"{_name(then)}: {key} {was.get(key)!r} → {found.get(key)!r}"


def _compared(step: dict[str, Any]) -> dict[str, Any]:
    """The facts that must be the same, those of arguments and fingerprint and the undo's one by one."""
    facts = {key: step.get(key) for key in _SAME if key not in ("arguments", "fingerprint")}
    for group in ("arguments", "fingerprint"):
        facts |= {f"{group}.{key}": value for key, value in (step.get(group) or {}).items()}
    if step.get("undo"):
        facts |= {f"undo.{key}": value for key, value in _compared(step["undo"]).items()}
    return facts


def _without(chosen: frozenset[str], facts: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the hour chooses, and what follows from that: how many are touched, and the way back."""
    if not chosen:
        return facts
    gone = {"touches", *(f"arguments.{name}" for name in chosen)}
    return {key: value for key, value in facts.items() if key not in gone and not key.startswith("undo.")}


def _name(step: Step | None) -> str:
    return "" if step is None else f"{step.target}.{step.operation}"
