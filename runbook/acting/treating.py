"""The acting half of a run: what policy permits is carried out and proven, one row after the other, under one lock.

Before anything else, what an earlier run began and did not end because it was killed is looked at and closed. What
cannot be told lets nothing act on the row and the target that it concerns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from runbook import policy
from runbook.acting import milestones, performing
from runbook.acting.bench import Bench, at_the_bench, is_left_open
from runbook.acting.recurrence import LIMIT, escalated
from runbook.errors import HistoryError, JournalError, LockError, RunbookError
from runbook.history import Attempt
from runbook.job import Job, Listener
from runbook.model import Choice, Decision, Effect, Outcome, Plan, Proven, Step, Verdict
from runbook.redact import masked_words
from runbook.site import Site
from runbook.targets.base import Target
from runbook.text import text

#: Rules of policy that look back: they are asked again under the lock, with what other machines did.
_OF_THE_PAST = frozenset({LIMIT, "policy.cooldown", "policy.budget", "history"})

#: Long enough for a check to pass three times.
_A_MOMENT = timedelta(seconds=2)

Judge = Callable[[Job], Verdict]
Explain = Callable[[Job], None]


class Stopped(RunbookError):
    """A remedy did not help, or nobody knows what it did: nothing more is done in this run."""


class Treating:
    """Treats the breached rows of one run. ``judge`` and ``explain`` look at a row anew, on new readings."""

    def __init__(self, site: Site, listener: Listener, *, run: str, judge: Judge, explain: Explain) -> None:
        self._site, self._listener, self._run = site, listener, run
        self._judge, self._explain = judge, explain

    def treat(self, jobs: list[Job]) -> None:
        """Act where policy lets a plan act. ``jobs`` are all breached rows, in the order in which they are treated.

        A row that nothing was done for is looked at once more when another row's remedy was applied: it may be cured
        by it, or may now have a plan of its own.
        """
        if not any(job.plan for job in jobs) and not is_left_open(self._site):
            return
        try:
            with at_the_bench(self._site, self._run) as bench:
                treated = [job for job in jobs if self._acts(job, bench)]
                if treated:
                    shows = max(settling(job, self._site) for job in treated)
                    self._look_again([job for job in jobs if job not in treated], bench, shows)
        except (LockError, JournalError, Stopped) as error:
            _leave(jobs, error)

    def _acts(self, job: Job, bench: Bench) -> bool:
        """Carry a permitted plan out and prove it; whether anything was done."""
        plan = job.plan
        if plan is None or not self._permitted(job) or not self._known(job, plan, bench):
            return False
        bench.begin()
        try:
            bench.note_attempt(job.row.id, _targets(plan))
        except HistoryError as error:
            _leave([job], error)
            return False
        milestones.reached("attempt noted")
        self._perform(job, plan, bench)
        if any(action.outcome is not Outcome.NOT_RUN for action in job.actions):
            self._prove_and_write(job, plan, bench)
            self._stop_unless_well(job, plan, bench)
        return any(action.outcome is Outcome.DONE for action in job.actions)

    def _perform(self, job: Job, plan: Plan, bench: Bench) -> None:
        begins, row = self._listener.acting, job.row.id
        steps = performing.perform(plan, job.targets, bench.journal, bench.hold, run=self._run, row=row, begins=begins)
        for action in steps:
            job.actions.append(action)
            self._listener.acted(action)

    def _prove_and_write(self, job: Job, plan: Plan, bench: Bench) -> None:
        """Judge again, and remember what came of it: in the journal, and for those who count how often it was tried."""
        self._prove(job, plan.settles)
        milestones.reached("verified")
        proven = job.verification.proven if job.verification else Proven.NOT_PROVEN
        with suppress(HistoryError):  # the attempt itself is noted; its outcome then counts as unknown
            bench.note_outcome(job.row.id, proven)
        milestones.reached("outcome noted")
        bench.journal.write("proof", run=self._run, row=job.row.id, body={"proven": proven.value})

    def _stop_unless_well(self, job: Job, plan: Plan, bench: Bench) -> None:
        """Not fixed: take back what can be, and stop. What did not come back may still be at work: stop as well.

        Raises Stopped.
        """
        if any(action.outcome is Outcome.FAILED for action in job.actions):
            raise Stopped(text("A step of {row} failed: nothing more is done in this run", row=job.row.id))
        if job.verification is None or job.verification.proven is not Proven.NOT_FIXED:
            return
        undo = performing.undoing(job.actions, plan)
        better = job.verdict is not None and performing.improved(job.verdict, job.verification.verdict)
        if undo.steps and not better:
            self._perform(job, undo, bench)
            raise Stopped(
                text("{row} was not fixed and its steps were taken back: nothing more is done", row=job.row.id)
            )
        raise Stopped(text("{row} was not fixed: nothing more is done in this run", row=job.row.id))

    def _known(self, job: Job, plan: Plan, bench: Bench) -> bool:
        """Whether nothing stands in the way that only who holds the lock knows.

        That is a step of a killed run, and what was tried here or on another machine since policy decided.
        """
        objection = bench.objection(job.row.id, _targets(plan)) or self._tried_again(job, plan, bench)
        job.decision = objection or job.decision
        return objection is None

    def _tried_again(self, job: Job, plan: Plan, bench: Bench) -> Decision | None:
        try:
            tried = bench.attempts(job.row.id, _targets(plan), self._site.settings.policy.attempts_window)
        except HistoryError as error:
            return policy.leave("history", masked_words(error.said))
        decision = decide(job, plan, self._site, tried)
        return decision if decision.rule in _OF_THE_PAST else None

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

    def _look_again(self, jobs: list[Job], bench: Bench, shows: timedelta) -> None:
        """Nothing was done for these rows themselves: in ``shows`` from now what was done has shown in all of them."""
        ends_at = time.monotonic() + shows.total_seconds()
        for job in jobs:
            self._prove(job, max(timedelta(seconds=ends_at - time.monotonic()), _A_MOMENT))
            if job.breached and not job.actions:
                self._explain(job)
                self._acts(job, bench)

    def _prove(self, job: Job, settles: timedelta) -> None:
        self._listener.verifying(job.row.id)
        job.verification = performing.verify(lambda: self._judge(job), settles)


def settling(job: Job, site: Site) -> timedelta:
    """How long the row's remedy may take to show: the site's word before the row's."""
    declared = job.row.treatment.settles if job.row.treatment else timedelta(0)
    return site.settings.settling.get(job.row.id, declared)


def decide(job: Job, plan: Plan, site: Site, tried: tuple[Attempt, ...] | None = None) -> Decision:
    """Ask policy, with everything it must know. ``tried`` is the row's past where this machine's is not all of it."""
    settings = site.settings.policy
    ledger: tuple[Attempt, ...] = ()
    attempts = spent = None
    try:
        ledger = tried or site.history.ledger(job.row.id, _targets(plan), settings.attempts_window)
        attempts = tuple(attempt.at for attempt in ledger)
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
    return escalated(policy.decide(plan, now), ledger, settings, site.zone)


def _targets(plan: Plan) -> set[str]:
    return {step.target for step in plan.steps}


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
        if job.plan is not None and not job.actions:
            job.decision = policy.leave(type(error).__name__, masked_words(error.said))
