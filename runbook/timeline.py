"""The course of a run as events in the order of time: what was found, why, what was done, whether it helped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from runbook.model import Event, Outcome, Proof, Proven, Record, State
from runbook.text import Text, text


def timeline(started_at: datetime, records: tuple[Record, ...]) -> tuple[Event, ...]:
    """Every event of the run, oldest first."""
    first = Event(at=started_at, kind="run", what=text("The check began"))
    events = [event for record in records for event in _of(record)]
    return (first, *sorted(events, key=lambda event: event.at))


def _of(record: Record) -> Iterator[Event]:
    verdict = record.verdict
    if verdict.state in (State.OK, State.SKIPPED) and not record.actions:
        return
    if record.breached_since is not None and record.breached_since < verdict.judged_at:
        yield Event(at=record.breached_since, kind="breach", what=text("First seen breached"), row=record.row)
    yield Event(at=verdict.judged_at, kind=verdict.state.value, what=verdict.summary, row=record.row)
    for finding in record.findings:
        if finding.proof is Proof.CONFIRMED and finding.cause is not None:
            yield Event(at=verdict.judged_at, kind="cause", what=finding.cause, row=record.row)
    for action in record.actions:
        if action.outcome is not Outcome.NOT_RUN:
            yield Event(at=action.started_at, kind=action.outcome.value, what=action.step.what, row=record.row)
    if record.verification is not None:
        proof = record.verification
        yield Event(at=proof.verdict.judged_at, kind=proof.proven.value, what=_proved(proof.proven), row=record.row)


def _proved(proven: Proven) -> Text:
    match proven:
        case Proven.FIXED:
            return text("Fixed: the check passes again")
        case Proven.NOT_FIXED:
            return text("Not fixed: the check still fails")
        case Proven.NOT_PROVEN:
            return text("Not proven: the check could not see")
