"""One run: every selected row is judged at once, then what is breached is treated one after the other.

Reading happens on daemon threads, so that a target that never answers cannot keep the process; acting happens in the
caller's thread, under one lock, with the operator's identity.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from runbook import acting, judging, policy
from runbook.errors import HistoryError, JournalError, LockError, RunbookError
from runbook.history import Samples
from runbook.journal import Journal
from runbook.locks import acting_on
from runbook.model import (
    Action,
    Choice,
    Decision,
    Effect,
    Finding,
    Outcome,
    Plan,
    Record,
    Run,
    State,
    Step,
    Verdict,
    Verification,
)
from runbook.probes import Readings
from runbook.redact import masked, masked_words
from runbook.rows import Row
from runbook.site import Site
from runbook.targets.base import Target
from runbook.text import Quantity, Text, text
from runbook.timeline import timeline

#: How far back a row's trend looks, and how many earlier measures it shows.
TREND = timedelta(days=1)
MOST_SAMPLES = 200
BREACHED = (State.WARNING, State.CRITICAL)


class Listener(Protocol):
    """Who watches the run: a terminal board, or nobody."""

    def started(self, rows: tuple[str, ...]) -> None:
        """These rows are being judged."""

    def judged(self, record: Record) -> None:
        """A row is judged, explained and planned for."""

    def acting(self, step: Step) -> None:
        """A step begins."""

    def acted(self, action: Action) -> None:
        """A step ended, one way or another."""

    def verifying(self, row: str) -> None:
        """A row is being judged again after an action."""

    def ask(self, record: Record) -> bool | None:
        """A person's answer to "may this plan run?"; None where nobody can be asked."""


@dataclass(eq=False)
class Job:
    """One row on its way through the run."""

    row: Row
    targets: Mapping[str, Any]
    started: float = field(default_factory=time.monotonic)
    verdict: Verdict | None = None
    findings: tuple[Finding, ...] = ()
    plan: Plan | None = None
    decision: Decision | None = None
    actions: list[Action] = field(default_factory=list)
    verification: Verification | None = None
    took: timedelta = timedelta(0)

    @property
    def breached(self) -> bool:
        """Whether the row is breached as far as is known now."""
        latest = self.verification.verdict if self.verification else self.verdict
        return latest is not None and latest.state in BREACHED


class Engine:
    """The rows of one run and what is known of each."""

    def __init__(self, site: Site, listener: Listener, *, run: str) -> None:
        self.site, self.listener, self.run = site, listener, run
        self.started_at = datetime.now(UTC)
        self._readings = Readings(ends_at=time.monotonic() + site.settings.deadline.total_seconds(), record=site.record)
        self._jobs: dict[str, Job] = {}
        self._settled: queue.SimpleQueue[Job] = queue.SimpleQueue()

    def begin(self, row: Row, targets: Mapping[str, Any]) -> None:
        """Start to judge a row; returns at once."""
        job = self._jobs[row.id] = Job(row, targets)
        threading.Thread(target=self._find_out, args=(job,), name=f"row {row.id}", daemon=True).start()

    def lacks(self, row: Row, reason: str) -> None:
        """A row that could not be set up: nothing that was selected vanishes from the report."""
        job = self._jobs[row.id] = Job(row, {})
        job.verdict = _unknown(text("The row could not be set up: {reason}", reason=masked(reason)))
        self._settled.put(job)

    def settle(self) -> None:
        """Wait until every row is judged or the run's deadline is over, telling the listener of each as it comes."""
        self.listener.started(tuple(self._jobs))
        waiting = set(self._jobs)
        while waiting:
            try:
                job = self._settled.get(timeout=self._readings.left())
            except queue.Empty:
                break
            waiting.discard(job.row.id)
            self.listener.judged(self.record(job.row.id))
        for id in sorted(waiting):
            self.listener.judged(self.record(id))

    def treat(self) -> None:
        """Act on every breached row where policy allows, under the environment's lock.

        A row that had no plan is looked at once more when another row's remedy was applied: it may be cured by it,
        or may now have a plan of its own.
        """
        breached = [job for job in self._jobs.values() if job.breached and job.plan]
        if not breached:
            return
        try:
            with acting_on(self.site.environment.name, self.site.state_folder):
                journal = Journal(self.site.state_folder / "journal.jsonl")
                first = [job for job in breached if self._acts(job, journal)]
                if first:
                    self._look_again([job for job in breached if job not in first], journal)
        except (LockError, JournalError) as error:
            self._leave(breached, error)

    def record(self, id: str) -> Record:
        """What is known of a row by now; UNKNOWN where it was not judged in time."""
        job = self._jobs[id]
        verdict = job.verdict or _late(self.site.settings.deadline)
        trend, unit = self._trend(job, verdict)
        return Record(
            row=id,
            title=job.row.title,
            why=job.row.why,
            source=job.row.source,
            section=job.row.section,
            verdict=verdict,
            findings=job.findings,
            plan=job.plan,
            decision=job.decision,
            actions=tuple(job.actions),
            verification=job.verification,
            breached_since=self._since(job, verdict),
            trend=trend,
            trend_unit=unit,
            took=job.took,
        )

    def finish(self, *, interrupted: bool = False) -> Run:
        """The whole run."""
        records = tuple(self.record(id) for id in self._jobs)
        return Run(
            id=self.run,
            environment=self.site.environment,
            started_at=self.started_at,
            ended_at=datetime.now(UTC),
            records=records,
            readings=self._readings.taken(),
            events=timeline(self.started_at, records),
            fixing=self.site.fixing,
            interrupted=interrupted,
        )

    def _find_out(self, job: Job) -> None:
        job.verdict = self._judge(job, self._readings)
        if job.breached:
            self._explain(job, self._readings)
        job.took = timedelta(seconds=time.monotonic() - job.started)
        self._settled.put(job)

    def _explain(self, job: Job, readings: Readings) -> None:
        job.findings = judging.diagnose(job.row, job.targets, readings)
        job.plan = judging.plan(job.row, job.findings, job.targets, readings, self._settling(job.row))
        if job.plan is not None:
            job.decision = policy.decide(job.plan, self._circumstances(job, job.plan))

    def _judge(self, job: Job, readings: Readings) -> Verdict:
        return judging.judge(job.row, job.targets, readings, self.site.settings.limits.get(job.row.id, {}))

    def _judge_anew(self, job: Job) -> Verdict:
        return self._judge(job, self._fresh())

    def _fresh(self) -> Readings:
        return Readings(ends_at=time.monotonic() + self.site.settings.deadline.total_seconds())

    def _acts(self, job: Job, journal: Journal) -> bool:
        """Carry a permitted plan out and prove it; whether anything was done."""
        plan = job.plan
        if plan is None or not self._permitted(job):
            return False
        try:
            self.site.history.note_attempt(job.row.id, self.run)
        except HistoryError as error:
            self._leave([job], error)
            return False
        for action in acting.perform(
            plan, job.targets, journal, run=self.run, row=job.row.id, begins=self.listener.acting
        ):
            job.actions.append(action)
            self.listener.acted(action)
        self._prove(job, plan.settles)
        return any(action.outcome is Outcome.DONE for action in job.actions)

    def _permitted(self, job: Job) -> bool:
        decision = job.decision
        if decision is not None and decision.choice is Choice.ASK:
            decision = job.decision = self._asked(job, decision)
        return decision is not None and decision.choice is Choice.ACT

    def _asked(self, job: Job, decision: Decision) -> Decision:
        match self.listener.ask(self.record(job.row.id)):
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
            self._prove(job, self._settling(job.row))
            if job.breached and not job.actions:
                self._explain(job, self._fresh())
                self._acts(job, journal)

    def _prove(self, job: Job, settles: timedelta) -> None:
        self.listener.verifying(job.row.id)
        job.verification = acting.verify(lambda: self._judge_anew(job), settles)

    def _leave(self, jobs: list[Job], error: RunbookError) -> None:
        for job in jobs:
            if not job.actions:
                job.decision = Decision(choice=Choice.LEAVE, reason=masked_words(error.said), rule=type(error).__name__)

    def _settling(self, row: Row) -> timedelta:
        declared = row.treatment.settles if row.treatment else timedelta(0)
        return self.site.settings.settling.get(row.id, declared)

    def _circumstances(self, job: Job, plan: Plan) -> policy.Circumstances:
        return policy.Circumstances(
            row=job.row.id,
            fixing=self.site.fixing,
            local_time=datetime.now(self.site.zone),
            proofs=tuple(finding.proof for finding in job.findings),
            attempts=self._attempts(job.row),
            effects=tuple(_effect(step, job.targets) for step in plan.steps),
            clock_skew=_largest_skew(plan, job.targets),
            settings=self.site.settings.policy,
        )

    def _attempts(self, row: Row) -> tuple[datetime, ...] | None:
        try:
            return self.site.history.attempts(row.id, self.site.settings.policy.attempts_window)
        except HistoryError:
            return None

    def _since(self, job: Job, verdict: Verdict) -> datetime | None:
        if verdict.state not in BREACHED:
            return None
        try:
            return self.site.history.breached_since(job.row.id) or verdict.judged_at
        except HistoryError:
            return verdict.judged_at

    def _trend(self, job: Job, verdict: Verdict) -> tuple[Samples, str]:
        """Earlier measures of the row's worst object, with today's at the end."""
        worst_of_all = verdict.measures[0] if verdict.measures else None
        if worst_of_all is None or not isinstance(worst_of_all.value, Quantity):
            return (), ""
        now = (verdict.judged_at, worst_of_all.value.value)
        try:
            earlier = self.site.history.samples(job.row.id, worst_of_all.object, TREND)
        except HistoryError:
            earlier = ()
        return (*earlier[-MOST_SAMPLES:], now), worst_of_all.value.unit


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


def _late(deadline: timedelta) -> Verdict:
    return _unknown(text("The row was not judged within the run's deadline of {deadline}", deadline=deadline))


def _unknown(reason: Text) -> Verdict:
    return Verdict(state=State.UNKNOWN, summary=reason, judged_at=datetime.now(UTC))
