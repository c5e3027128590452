"""One row of the run as every format shows it: in the reader's language, capped and harmless.

The worst rows are shown in full. Past a limit they are brief: every cause still named, samples left to the JSON.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from reports.findings import FoundFile
from reports.language import Language
from reports.panel import asides, deeds, numbers
from reports.panel.causes import causes
from reports.panel.marks import mark
from reports.panel.pen import LINE, NAME, Detail, Pen
from reports.shown import Panel
from reports.story import tell
from reports.words import CHOICES, of_state, section, standing
from runbook.model import Decision, Record

__all__ = ["IN_A_LINE", "IN_BRIEF", "IN_FULL", "LINE", "NAME", "Detail", "anchor", "mark", "panel"]

_ANCHOR = re.compile(r"[A-Za-z0-9_.-]{1,60}")

IN_FULL = Detail(brief=False, paragraph=700, measures=8, findings=30, evidence=4, steps=20, slices=60)
IN_BRIEF = Detail(brief=True, paragraph=240, measures=1, findings=12, evidence=0, steps=3)
IN_A_LINE = Detail(brief=True, paragraph=120, measures=1, findings=1, evidence=0, steps=1)


def panel(
    record: Record,
    until: datetime,
    language: Language,
    detail: Detail = IN_FULL,
    *,
    place: int = 0,
    files: Sequence[FoundFile] = (),
) -> Panel:
    """One record as a panel, told at a moment; ``files`` are what it found as CSV.

    ``place`` makes an anchor for an id that cannot be one.
    """
    pen = Pen(language, detail)
    verdict, proof, plan, decision = record.verdict, record.verification, record.plan, record.decision
    steps, actions, most = plan.steps if plan else (), record.actions, detail.steps
    open_, ruled_out, more = causes(pen, record.findings)
    return Panel(
        row=pen.name(record.row),
        anchor=anchor(record.row, place),
        title=pen.say(record.title).rstrip(".") or pen.name(record.row),
        why="" if detail.brief else pen.say(record.why),
        source=pen.name(record.source),
        section=pen.say(section(record.section)),
        mark=mark(standing(record), language),
        found=mark(of_state(verdict.state), language),
        summary=pen.say(verdict.summary),
        story=tell(record, until, language),
        measures=numbers.measures(pen, verdict),
        more_measures=pen.more(len(verdict.measures) - detail.measures),
        trend=numbers.trend(pen, record),
        findings=open_,
        ruled_out=ruled_out,
        more_findings=more,
        plan=tuple(deeds.step(pen, step) for step in steps[:most]),
        more_plan=pen.more(len(steps) - most),
        plan_reason=pen.say(plan.reason) if plan else "",
        decision=language.say(CHOICES[decision.choice]) if decision else "",
        decision_reason=pen.say(decision.reason) if decision else "",
        decision_rule=_rule(pen, decision),
        actions=tuple(deeds.action(pen, action) for action in actions[:most]),
        more_actions=pen.more(len(actions) - most),
        proof_after=language.duration(proof.took) if proof else "",
        proof_summary=pen.say(proof.verdict.summary) if proof else "",
        took=language.duration(record.took),
        brief=detail.brief,
        waivers=tuple(asides.waiver(pen, waiver) for waiver in record.waivers),
        files=tuple(asides.file(pen, file) for file in files),
    )


def anchor(row: str, place: int) -> str:
    """Where a page shows the row; by its place among the rows where its id cannot stand in a link."""
    return f"row-{row if _ANCHOR.fullmatch(row) else place}"


def _rule(pen: Pen, decision: Decision | None) -> str:
    return pen.name(f"{decision.rule} · {decision.by}".strip(" ·")) if decision else ""
