"""Why it happened, as far as the evidence says, and how it came to be known."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from reports.postmortem.case import Case, told
from runbook.model import BREACHED, Finding, Proof, State
from runbook.text import Text


class Cause(msgspec.Struct, frozen=True):
    """A probable cause of one row: the strongest proof that any run has of it, with that run's evidence.

    ``first_at`` is when it was first found so, ``runs`` in how many runs it was.
    """

    row: str
    proof: Proof
    cause: Text
    summary: Text
    finding: Finding
    first_at: datetime
    runs: int


class Detection(msgspec.Struct, frozen=True):
    """The first judgement of an incident's row that saw it, and the last one before that did not.

    It began in between: ``delay`` is the longest that it can have gone unseen, None with no earlier judgement.
    """

    row: str
    at: datetime
    run: str
    in_order_at: datetime | None

    @property
    def delay(self) -> timedelta | None:
        """The longest that it can have gone unseen."""
        return None if self.in_order_at is None else self.at - self.in_order_at


_STRENGTH = {Proof.CONFIRMED: 0, Proof.UNKNOWN: 1, Proof.RULED_OUT: 2}


def causes(case: Case) -> tuple[Cause, ...]:
    """Every probable cause that a run looked for: the confirmed first, then what is not known, then what is out."""
    found: dict[tuple[str, str], Cause] = {}
    for _run, record in told(case):
        for finding in record.findings:
            name = finding.cause or finding.summary
            key = record.row, finding.name or name.template
            one = Cause(record.row, finding.proof, name, finding.summary, finding, record.verdict.judged_at, 1)
            found[key] = _stronger(found.get(key), one)
    return tuple(sorted(found.values(), key=lambda one: (_STRENGTH[one.proof], one.first_at, one.row)))


def _stronger(known: Cause | None, new: Cause) -> Cause:
    if known is None or _STRENGTH[new.proof] < _STRENGTH[known.proof]:
        return new
    return msgspec.structs.replace(known, runs=known.runs + 1) if new.proof is known.proof else known


def detections(case: Case) -> tuple[Detection, ...]:
    """How each row's breach was found, the first one first; rows that no judgement is kept of are left out."""
    found = (_detection(case, row) for row in case.rows)
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.at))


def _detection(case: Case, row: str) -> Detection | None:
    """From the history; from the runs where that knows nothing of it."""
    judged = [(one.at, one.run, one.state) for one in case.judged if one.row == row]
    if not any(state in BREACHED and at >= case.began for at, _run, state in judged):
        records = [(run, record) for run, record in told(case) if record.row == row]
        judged = [(record.verdict.judged_at, run.id, record.verdict.state) for run, record in records]
    first = next(((at, run) for at, run, state in judged if state in BREACHED and at >= case.began), None)
    if first is None:
        return None
    before = [at for at, _run, state in judged if at < first[0] and state is State.OK]
    return Detection(row, first[0], first[1], max(before, default=None))
