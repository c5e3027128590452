"""What was done about an incident, whether it helped, and what is open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from reports.postmortem.case import Case, last_records, told
from reports.words import Standing, is_open, standing
from runbook.model import Action, Choice, Decision, Outcome, Proof, Proven, Record, Run, State
from runbook.text import Text


class Deed(msgspec.Struct, frozen=True):
    """A step that was tried: ``by`` is what let it, ``proven`` what the check said afterwards, None if nothing."""

    at: datetime
    row: str
    what: Text
    outcome: Outcome
    result: Text | None
    took: timedelta
    by: str
    proven: Proven | None
    run: str


class Left(msgspec.Struct, frozen=True):
    """A plan that did not run, and why: told once, however many runs came to it."""

    row: str
    what: Text
    choice: Choice
    reason: Text
    runs: int


class Open(msgspec.Struct, frozen=True):
    """A row that is not proven to be in order, as the newest run that looked has it."""

    row: str
    standing: Standing
    at: datetime
    record: Record


def deeds(case: Case) -> tuple[Deed, ...]:
    """Every step that was tried, oldest first. A step behind one that failed was not."""
    found = [_deed(run, record, action) for run, record in told(case) for action in record.actions]
    return tuple(sorted((one for one in found if one.outcome is not Outcome.NOT_RUN), key=lambda one: one.at))


def left(case: Case) -> tuple[Left, ...]:
    """The plans that policy or a person did not let run, in the order in which they came."""
    found: dict[tuple[str, str, str], Left] = {}
    for _run, record in told(case):
        decision, plan = record.decision, record.plan
        if plan is None or not plan.steps or record.actions or decision is None or decision.choice is Choice.ACT:
            continue
        what = plan.steps[0].what
        key = record.row, what.template, decision.reason.template
        known = found.get(key)
        runs = known.runs + 1 if known else 1
        found[key] = Left(record.row, what, decision.choice, decision.reason, runs)
    return tuple(found.values())


def still_open(case: Case) -> tuple[Open, ...]:
    """What is broken, unknown or waived at the end of the newest run that looked at it."""
    found = ((run, record, standing(record)) for run, record in last_records(case).values())
    return tuple(
        Open(record.row, stands, run.ended_at, record)
        for run, record, stands in found
        if is_open(stands) or stands is Standing.WAIVED
    )


def not_seen(case: Case) -> tuple[str, ...]:
    """The rows whose newest judgement is in a run that is not kept: how they stand is in the history only."""
    newest: dict[str, tuple[datetime, State]] = {}
    for one in case.judged:
        if one.row in case.rows and one.final is not State.SKIPPED:
            newest[one.row] = one.at, one.final
    seen = {row: record.verdict.judged_at for row, (_run, record) in last_records(case).items()}
    return tuple(
        row for row, (at, final) in newest.items() if final is not State.OK and (row not in seen or seen[row] < at)
    )


def advice(case: Case) -> Iterator[tuple[str, Text]]:
    """What the confirmed causes advise, once each: the mending that no machine does."""
    said: set[tuple[str, str]] = set()
    for _run, record in told(case):
        for finding in record.findings:
            for words in finding.advice if finding.proof is Proof.CONFIRMED else ():
                if (record.row, str(words)) not in said:
                    said.add((record.row, str(words)))
                    yield record.row, words


def _deed(run: Run, record: Record, action: Action) -> Deed:
    return Deed(
        at=action.started_at,
        row=record.row,
        what=action.step.what,
        outcome=action.outcome,
        result=action.result,
        took=action.took,
        by=_by(record.decision),
        proven=record.verification.proven if record.verification else None,
        run=run.id,
    )


def _by(decision: Decision | None) -> str:
    """``policy``, ``person`` or who it was, with the rule that decided."""
    if decision is None:
        return ""
    return f"{decision.by} ({decision.rule})" if decision.rule else decision.by
