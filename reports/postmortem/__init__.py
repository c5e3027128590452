"""A post-mortem drafted from the runs of an incident: facts only, with gaps marked for what only people know."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from reports import drafts
from reports.clean import outgoing
from reports.language import Language
from reports.postmortem import causes, course, deeds, impact
from reports.postmortem.case import Case
from reports.postmortem.causes import Cause, Detection
from reports.postmortem.course import Happened
from reports.postmortem.deeds import Deed, Left
from reports.postmortem.impact import Most, Unmet
from reports.postmortem.writing import draft
from runbook.model import Environment, State


def render(case: Case, form: str, language: Language, template: Path | None = None) -> bytes:
    """The draft in one form. Raises ReportError for a form there is not, and where its extra is missing."""
    return drafts.render(draft(case, language), form, language, template)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the draft is written from: without any wording but the runs' own."""

    id: str
    environment: Environment
    began: datetime
    ended: datetime | None
    rows: tuple[str, ...]
    worst: State
    levels: tuple[Unmet, ...]
    most_waiting: tuple[Most, ...]
    causes: tuple[Cause, ...]
    detections: tuple[Detection, ...]
    timeline: tuple[Happened, ...]
    done: tuple[Deed, ...]
    left: tuple[Left, ...]
    open: tuple[str, ...]
    runs: tuple[str, ...]
    unread: tuple[str, ...]


def facts(case: Case) -> bytes:
    """The facts as JSON, masked."""
    found = Facts(
        id=case.id,
        environment=case.environment,
        began=case.began,
        ended=case.ended,
        rows=case.rows,
        worst=case.worst,
        levels=impact.against_levels(case),
        most_waiting=impact.most_waiting(case),
        causes=causes.causes(case),
        detections=causes.detections(case),
        timeline=course.course(case),
        done=deeds.deeds(case),
        left=deeds.left(case),
        open=(*(one.row for one in deeds.still_open(case)), *deeds.not_seen(case)),
        runs=tuple(run.id for run in case.runs),
        unread=case.unread,
    )
    return msgspec.json.format(msgspec.json.encode(outgoing(found), enc_hook=str), indent=2) + b"\n"
