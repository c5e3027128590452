"""The acting half of a run: what policy permits is carried out and proven, one row after the other, under one lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from runbook import acting, policy
from runbook.errors import HistoryError, JournalError, LockError, RunbookError
from runbook.job import Job, Listener
from runbook.journal import Journal
from runbook.locks import acting_on
from runbook.model import Choice, Decision, Effect, Outcome, Plan, Step, Verdict
from runbook.redact import masked_words
from runbook.site import Site
from runbook.targets.base import Target
from runbook.text import text

Judge = Callable[[Job], Verdict]
Explain = Callable[[Job], None]


class Treating:
    """Treats the breached rows of one run. ``judge`` and ``explain`` look at a row anew, on new readings."""

    def __init__(self, site: Site, listener: Listener, *, run: str, judge: Judge, explain: Explain) -> None:
        self._site, self._listener, self._run = site, listener, run
        self._judge, self._explain = judge, explain

    def treat(self, jobs: list[Job]) -> None:
        """Act where policy lets a plan act.

        A row that had no plan is looked at once more when another row's remedy was applied: it may be cured by it,
        or may now have a plan of its own.
        """
        try:
            with acting_on(self._site.environment.name, self._site.state_folder):
                journal = Journal(self._site.state_folder / "journal.jsonl")
                treated = [job for job in jobs if self._acts(job, journal)]
                if treated:
                    self._look_again([job for job in jobs if job not in treated], journal)
        except (LockError, JournalError) as error:
            _leave(jobs, error)

    def _acts(self, job: Job, journal: Journal) -> bool:
        """Carry a permitted plan out and prove it; whether anything was done."""
        plan = job.plan
        if plan is None or not self._permitted(job):
            return False
        try:
            self._site.history.note_attempt(job.row.id, self._run)
        except HistoryError as error:
            _leave([job], error)
            return False
        begins = self._listener.acting
        for action in acting.perform(plan, job.targets, journal, run=self._run, row=job.row.id, begins=begins):
            job.actions.append(action)
            self._listener.acted(action)
        self._prove(job, plan.settles)
        return any(action.outcome is Outcome.DONE for action in job.actions)

    def _permitted(self, job: Job) -> bool:
        decision = job.decision
        if decision is not None and decision.choice is Choice.ASK:
            decision = job.decision = self._asked(job, decision)
        return decision is not None and decision.choice is Choice.ACT

    def _asked(self, job: Job, decision: Decision) -> Decision:
        match self._listener.ask(job.row.id):
            case True:
                approved = text("A person approved the plan at the terminal")
                return Decision(choice=Choice.ACT, reason=approved, rule=decision.rule, by="person")
            case False:
                declined = text("A person declined the plan at the terminal")
                return Decision(choice=Choice.LEAVE, reason=declined, rule=decision.rule, by="person")
            case None:
                return decision

    def _look_again(self, jobs: list[Job], journal: Journal) -> None:
        for job in jobs:
            self._prove(job, settling(job, self._site))
            if job.breached and not job.actions:
                self._explain(job)
                self._acts(job, journal)

    def _prove(self, job: Job, settles: timedelta) -> None:
        self._listener.verifying(job.row.id)
        job.verification = acting.verify(lambda: self._judge(job), settles)


def settling(job: Job, site: Site) -> timedelta:
    """How long the row's remedy may take to show: the site's word before the row's."""
    declared = job.row.treatment.settles if job.row.treatment else timedelta(0)
    return site.settings.settling.get(job.row.id, declared)


def decide(job: Job, plan: Plan, site: Site) -> Decision:
    """Ask policy, with everything it must know."""
    settings = site.settings.policy
    attempts = spent = None
    try:
        attempts = site.history.attempts(job.row.id, settings.attempts_window)
        spent = site.history.attempts_of_all_rows(settings.budget_window)
    except HistoryError:
        attempts = spent = None  # half of it known is not known
    now = policy.Circumstances(
        row=job.row.id,
        fixing=site.fixing,
        local_time=datetime.now(site.zone),
        proofs=tuple(finding.proof for finding in job.findings),
        attempts=attempts,
        spent=spent,
        effects=tuple(_effect(step, job.targets) for step in plan.steps),
        clock_skew=_largest_skew(plan, job.targets),
        settings=settings,
    )
    return policy.decide(plan, now)


def _effect(step: Step, targets: Mapping[str, Any]) -> Effect:
    target = targets.get(step.target)
    return target.effect_of(step) if isinstance(target, Target) else Effect.UNKNOWN


def _largest_skew(plan: Plan, targets: Mapping[str, Any]) -> timedelta | None:
    """How far this machine's clock is off, by the targets to be changed; None where one cannot say."""
    skews: list[timedelta] = []
    for name in {step.target for step in plan.steps}:
        target = targets.get(name)
        try:
            skew = target.clock_skew() if isinstance(target, Target) else None
        except RunbookError:
            skew = None
        if skew is None:
            return None
        skews.append(abs(skew))
    return max(skews, default=timedelta(0))


def _leave(jobs: list[Job], error: RunbookError) -> None:
    for job in jobs:
        if not job.actions:
            reason = masked_words(error.said)
            job.decision = Decision(choice=Choice.LEAVE, reason=reason, rule=type(error).__name__)
