"""The incidents of the month: how long, how bad, why, and what ended them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from reports.monthly.month import Month
from runbook.incidents import Incident
from runbook.model import Outcome, Proof, Proven, Record, Run, State
from runbook.text import Text


class Told(msgspec.Struct, frozen=True):
    """One incident. ``causes`` are those that a run that was read confirmed; ``fixed_by`` the steps that were proven.

    ``read`` is False where none of its runs' reports is kept: then nothing is known of causes and steps.
    """

    id: str
    began: datetime
    ended: datetime | None
    rows: tuple[str, ...]
    worst: State
    causes: tuple[Text, ...]
    fixed_by: tuple[Text, ...]
    read: bool


def told(month: Month) -> tuple[Told, ...]:
    """Every incident that touched the month, oldest first."""
    runs = {run.id: run for run in month.runs}
    return tuple(_told(one, [runs[id] for id in one.runs if id in runs]) for one in month.incidents)


def _told(incident: Incident, runs: list[Run]) -> Told:
    records = [record for run in runs for record in run.records if record.row in incident.rows]
    return Told(
        id=incident.id,
        began=incident.began,
        ended=incident.ended,
        rows=incident.rows,
        worst=incident.worst,
        causes=_once(cause for record in records for cause in _causes(record)),
        fixed_by=_once(step for record in records for step in _steps(record)),
        read=bool(runs),
    )


def _causes(record: Record) -> list[Text]:
    return [finding.cause or finding.summary for finding in record.findings if finding.proof is Proof.CONFIRMED]


def _steps(record: Record) -> list[Text]:
    if record.verification is None or record.verification.proven is not Proven.FIXED:
        return []
    return [action.step.what for action in record.actions if action.outcome is Outcome.DONE]


def _once(said: Iterable[Text]) -> tuple[Text, ...]:
    return tuple({str(words): words for words in said}.values())
