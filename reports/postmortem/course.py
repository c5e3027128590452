"""The course of an incident over all its runs: what changed, what was found, what was done, whether it helped.

What stays as it was is not told again: an incident of a night has hundreds of runs. Runs whose reports are not kept
any more are told by the history's judgements alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from reports.postmortem.case import Case
from reports.words import STANDINGS, Standing, of_state
from runbook.history import Judged
from runbook.model import BREACHED, Outcome, Proof, Proven, Record, Run, State
from runbook.text import Text, text


class Happened(msgspec.Struct, frozen=True):
    """One line: ``mark`` is a standing's name, empty where it says nothing of how the row stands."""

    at: datetime
    row: str
    what: Text
    run: str
    mark: str = ""


class _Known:
    """What was told already."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {}
        self.causes: set[tuple[str, str]] = set()

    def is_new_state(self, row: str, state: State) -> bool:
        """Whether a row's state is news. A row that was in order from the start is none."""
        before = self.states.get(row, State.OK)
        self.states[row] = state
        return state is not before


def course(case: Case) -> tuple[Happened, ...]:
    """Every line, oldest first."""
    known, read = _Known(), {run.id: run for run in case.runs}
    lines: list[Happened] = []
    for run_id, judged in _by_run(case):
        run = read.get(run_id)
        lines += _of_run(run, case, known) if run else _of_history(judged, known)
    return tuple(sorted(lines, key=lambda line: line.at))


def _by_run(case: Case) -> list[tuple[str, list[Judged]]]:
    """The judgements of the incident's rows in its time, run by run, and the runs that the history does not know."""
    found: dict[str, list[Judged]] = {}
    for one in case.judged:
        if one.row in case.rows and case.began <= one.at <= case.until:
            found.setdefault(one.run, []).append(one)
    begun = {run_id: judged[0].at for run_id, judged in found.items()}
    begun |= {run.id: run.started_at for run in case.runs if run.id not in found}
    return [(run_id, found.get(run_id, [])) for run_id in sorted(begun, key=begun.__getitem__)]


def _of_history(judged: list[Judged], known: _Known) -> Iterator[Happened]:
    for one in judged:
        if known.is_new_state(one.row, one.final):
            yield _line(one.at, one.row, one.final, one.run, _stands(one.final))


def _of_run(run: Run, case: Case, known: _Known) -> Iterator[Happened]:
    for record in run.records:
        if record.row in case.rows:
            yield from _of_record(run, record, known)
    if run.interrupted:
        yield Happened(run.ended_at, "", text("The run was stopped before its end"), run.id)


def _of_record(run: Run, record: Record, known: _Known) -> Iterator[Happened]:
    verdict = record.verdict
    if known.is_new_state(record.row, verdict.state):
        yield _line(verdict.judged_at, record.row, verdict.state, run.id, verdict.summary)
    yield from _causes(run, record, known)
    for action in record.actions:
        if action.outcome is not Outcome.NOT_RUN:
            mark = "" if action.outcome is Outcome.DONE else Standing.CRITICAL.value
            yield Happened(action.started_at, record.row, action.step.what, run.id, mark)
    if record.verification is not None:
        after = record.verification.verdict
        known.is_new_state(record.row, after.state)
        proven = record.verification.proven
        yield Happened(after.judged_at, record.row, _PROVED[proven], run.id, _MARKS[proven].value)


def _causes(run: Run, record: Record, known: _Known) -> Iterator[Happened]:
    for finding in record.findings:
        key = (record.row, finding.name or str(finding.cause or finding.summary))
        if finding.proof is Proof.CONFIRMED and key not in known.causes:
            known.causes.add(key)
            yield Happened(record.verdict.judged_at, record.row, finding.cause or finding.summary, run.id)


def _line(at: datetime, row: str, state: State, run: str, what: Text) -> Happened:
    return Happened(at, row, what, run, of_state(state).value)


def _stands(state: State) -> Text:
    """What the history says where the report is not kept."""
    if state in BREACHED:
        return text("Breached; the report of this run is not kept any more")
    return STANDINGS[of_state(state)]


_PROVED = {
    Proven.FIXED: text("Fixed: the check passes again"),
    Proven.NOT_FIXED: text("Not fixed: the check still fails"),
    Proven.NOT_PROVEN: text("Not proven: the check could not see"),
}
_MARKS = {
    Proven.FIXED: Standing.FIXED,
    Proven.NOT_FIXED: Standing.CRITICAL,
    Proven.NOT_PROVEN: Standing.UNKNOWN,
}
