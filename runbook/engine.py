"""One run: every selected row is judged at once, then what is breached is treated one after the other.

Reading happens on daemon threads, so that a target that never answers cannot keep the process; acting happens in the
caller's thread, under one lock, with the operator's identity.
"""

from __future__ import annotations

import copy
import queue
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from runbook import judging, waivers
from runbook.acting import treating
from runbook.acting.treating import Treating
from runbook.errors import HistoryError
from runbook.history import Samples
from runbook.job import Job, Listener
from runbook.model import BREACHED, Decision, Event, Record, Risk, Run, State, Verdict, Waived
from runbook.policy import leave
from runbook.probes import Readings, reading_through
from runbook.redact import masked
from runbook.rows import Row
from runbook.site import Site
from runbook.spreading import spread
from runbook.text import Quantity, Text, text
from runbook.timeline import timeline

#: How far back a row's trend looks: a day, or as many nights where the day saw few runs; how many measures it shows.
TREND, NIGHTS = timedelta(days=1), timedelta(days=31)
FEW_SAMPLES, MOST_SAMPLES = 10, 200


class Engine:
    """The rows of one run and what is known of each."""

    def __init__(self, site: Site, listener: Listener, *, run: str) -> None:
        self.site, self.listener, self.run = site, listener, run
        self.started_at = site.now()
        ends_at = site.began + _reading_time(site.settings.deadline)
        self._readings = Readings(ends_at=ends_at, record=site.record, taken_at=site.taken_at)
        self._jobs: dict[str, Job] = {}
        self._settled: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._spread = spread(site, run, self._readings, self._find_out)

    def begin(self, row: Row, targets: Mapping[str, Any]) -> None:
        """Start to judge a row; returns at once."""
        job = self._jobs[row.id] = Job(row, targets)
        self._spread.begin(job)

    def lacks(self, row: Row, reason: str) -> None:
        """A row that could not be set up: nothing that was selected vanishes from the report."""
        job = self._jobs[row.id] = Job(row, {})
        job.verdict = self._unknown(text("The row could not be set up: {reason}", reason=masked(reason)))
        self._settled.put(job)

    def has(self, row: Row) -> bool:
        """Whether the row was begun, or is known not to be set up."""
        return row.id in self._jobs

    def settle(self) -> None:
        """Wait until every row is judged or the run's deadline is over, telling the listener of each as it comes."""
        self._spread.all_begun()
        self.listener.started(tuple(self._jobs))
        try:
            late = self._come_in()
        finally:
            self._spread.close()
        for id in late:
            self.listener.judged(self.record(id))

    def treat(self) -> None:
        """Act on every breached row where policy lets it and prove what came of it; close what killed runs left.

        The least risk first, and of those what shows soonest: a session that is ended in a moment may be what an index
        that takes minutes to build would wait for.
        """
        explain = self._explain_anew
        if self.site.mandate is not None:
            # A row that is judged too late must not decide for itself once the mandate did.
            self._jobs = {id: copy.copy(job) for id, job in self._jobs.items()}
            self.site.mandate.rule(self._jobs.values())
            explain = _as_approved
        in_turn = sorted((job for job in self._jobs.values() if job.breached), key=_turn)
        anew = Treating(self.site, self.listener, run=self.run, judge=self._judge_anew, explain=explain)
        anew.treat(in_turn)

    def record(self, id: str) -> Record:
        """What is known of a row by now; UNKNOWN where it was not judged in time."""
        job = self._jobs[id]
        verdict = job.verdict or self._late(self.site.settings.deadline)
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
            person=job.row.person,
            breached_since=self._since(job, verdict),
            trend=trend,
            trend_unit=unit,
            took=job.took,
            waivers=self._waivers(job, job.verification.verdict if job.verification else verdict),
        )

    def finish(self, *, interrupted: bool = False) -> Run:
        """The whole run."""
        records = tuple(self.record(id) for id in self._jobs)
        return Run(
            id=self.run,
            environment=self.site.environment,
            started_at=self.started_at,
            ended_at=self.site.now(),
            records=records,
            readings=self._readings.taken(),
            events=(*self._trouble(), *timeline(self.started_at, records)),
            fixing=self.site.fixing,
            interrupted=interrupted,
        )

    def _trouble(self) -> tuple[Event, ...]:
        """What went wrong with the run itself: its rows are judged all the same."""
        trouble = self._spread.trouble
        return () if trouble is None else (Event(at=self.started_at, kind="trouble", what=trouble),)

    def _come_in(self) -> tuple[str, ...]:
        """Tell of each row as it is judged; those that were not when the run stopped reading."""
        waiting = dict.fromkeys(self._jobs)
        while waiting:
            try:
                job = self._settled.get(timeout=self._readings.left())
            except queue.Empty:
                break
            del waiting[job.row.id]
            self.listener.judged(self.record(job.row.id))
        return tuple(waiting)

    def _find_out(self, job: Job) -> None:
        if job.verdict is None:  # else it was judged away from here
            job.started = time.monotonic()
        try:
            job.verdict = job.verdict or self._judge(job, self._readings)
            if job.breached:
                self._explain(job, self._readings)
        finally:
            job.took = timedelta(seconds=time.monotonic() - job.started)
            self._settled.put(job)

    def _judge(self, job: Job, readings: Readings) -> Verdict:
        return judging.judge(job.row, job.targets, readings, self._overrides(job))

    def _overrides(self, job: Job) -> Mapping[str, str | int | float]:
        return self.site.settings.limits.get(job.row.id, {})

    def _explain(self, job: Job, readings: Readings) -> None:
        settles = treating.settling(job, self.site)
        job.findings = judging.diagnose(job.row, job.targets, readings, self._overrides(job))
        job.plan = judging.plan(job.row, job.findings, job.targets, readings, settles)
        if job.plan is not None:
            with reading_through(readings):
                job.decision = self._left_by_waiver(job) or treating.decide(job, job.plan, self.site)

    def _waivers(self, job: Job, verdict: Verdict) -> tuple[Waived, ...]:
        return waivers.applied(self.site.settings.waivers, job.row.id, verdict, self.site.today())

    def _left_by_waiver(self, job: Job) -> Decision | None:
        """What somebody answers for is not mended behind their back."""
        holding = [waiver for waiver in self._waivers(job, job.verdict) if waiver.holds] if job.verdict else []
        if not holding:
            return None
        words = text(
            "Waived until {day}: {owner} answers for it", day=holding[0].expires.isoformat(), owner=holding[0].owner
        )
        return leave("waivers", words)

    def _judge_anew(self, job: Job) -> Verdict:
        return self._judge(job, Readings(ends_at=self._deadline()))

    def _explain_anew(self, job: Job) -> None:
        self._explain(job, Readings(ends_at=self._deadline()))

    def _deadline(self) -> float:
        """One deadline from now, on the monotonic clock."""
        return time.monotonic() + self.site.settings.deadline.total_seconds()

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
            if len(earlier) < FEW_SAMPLES:
                earlier = self.site.history.samples(job.row.id, worst_of_all.object, NIGHTS)
        except HistoryError:
            earlier = ()
        return (*earlier[-MOST_SAMPLES:], now), worst_of_all.value.unit

    def _late(self, deadline: timedelta) -> Verdict:
        return self._unknown(text("The row was not judged within the run's deadline of {deadline}", deadline=deadline))

    def _unknown(self, reason: Text) -> Verdict:
        return Verdict(state=State.UNKNOWN, summary=reason, judged_at=self.site.now())


def _turn(job: Job) -> tuple[int, timedelta]:
    """What a row is treated by: its risk, then how soon it shows. Rows without a plan come last."""
    return (len(Risk), timedelta.max) if job.plan is None else (list(Risk).index(job.plan.risk), job.plan.settles)


def _as_approved(job: Job) -> None:
    """Under a mandate no row is planned for anew: what nobody approved does not run."""


def _reading_time(deadline: timedelta) -> float:
    """Seconds of the run's deadline in which it reads: what is left is for telling what was read."""
    return deadline.total_seconds() - min(0.5, deadline.total_seconds() / 10)
