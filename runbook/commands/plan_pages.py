"""A plan file as a person reads it: what would be done to what, what approves it, and what to type next."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from runbook.model import Effect, Step
from runbook.plans import approving, notice
from runbook.plans.plan_file import PlanFile, PlannedRow
from runbook.site import Site
from runbook.tongue import _

_INDENT = "     "


def page(plan: PlanFile, file: Path, site: Site, now: datetime) -> Iterator[str]:
    """The whole plan, row by row, then how it stands."""
    shown, content = _Words(site), plan.plan
    yield f"{_('Plan')} {plan.hash[:12]} · {shown.line(content.site)} · {shown.line(content.environment)}"
    made, until = shown.language.moment(content.made_at), shown.language.moment(content.expires_at)
    yield _("Made {made} by run {run}, valid until {until}").format(made=made, run=shown.line(content.run), until=until)
    for row in content.rows:
        yield ""
        yield from _row(row, shown)
    for left in content.left_out:
        yield f"\n– {shown.line(left.row)}: {_('not in the plan')}: {shown.say(left.reason)}"
    yield ""
    yield from standing(plan, file, site, now)


def standing(plan: PlanFile, file: Path, site: Site, now: datetime) -> Iterator[str]:
    """Who approved it, what does not count and why, and what to type next."""
    shown, known = _Words(site), approving.standing_of(plan, site, now)
    for approval in known.counting:
        claim, until = approval.claim, shown.language.moment(approval.claim.expires_at)
        words = _("Approved by {name}, until {until} ({method}): {reason}")
        yield words.format(name=claim.name, until=until, method=approval.method, reason=shown.line(claim.reason))
    for objection in known.objections:
        yield _("An approval does not count: {why}").format(why=shown.say(objection))
    yield _("{count} of {needed} approvals").format(count=len(known.counting), needed=known.needed)
    told = notice.waiting(plan, file, site, now)
    if told.note is not None:
        yield shown.say(told.note)
    yield from (f"  {command}" for command in told.commands)


def as_json(plan: PlanFile, site: Site, now: datetime) -> str:
    """The file with how it stands."""
    known = approving.standing_of(plan, site, now)
    built: dict[str, Any] = msgspec.to_builtins(plan)
    built["standing"] = {
        "approved": known.is_approved,
        "needed": known.needed,
        "counting": [approval.claim.name for approval in known.counting],
        "objections": [str(objection) for objection in known.objections],
    }
    return json.dumps(built, ensure_ascii=False, indent=2, default=str)


class _Words:
    """Words of the plan in the reader's language, harmless on a terminal."""

    def __init__(self, site: Site) -> None:
        self.language = importlib.import_module("reports").speaking(site.environment)
        self._clean = importlib.import_module("reports.clean")
        self._marks = importlib.import_module("reports.words")

    def say(self, words: Any) -> str:
        return self.line(self.language.say(words))

    def line(self, words: str) -> str:
        return str(self._clean.label(words, 400))

    def risk(self, step: Step) -> str:
        return str(self.language.say(self._marks.RISKS[step.risk]))

    def effect(self, effect: Effect) -> str:
        return str(self.language.say(self._marks.EFFECTS[effect]))


def _row(row: PlannedRow, shown: _Words) -> Iterator[str]:
    yield f"{shown.line(row.row)}  {shown.say(row.title)}"
    yield f"  {row.state.value}: {shown.say(row.summary)}"
    for cause in row.causes:
        yield f"  {_('Cause')}: {shown.say(cause)}"
    for number, step in enumerate(row.plan.steps, 1):
        yield f"  {number}. {shown.say(step.what)}"
        yield from _step(step, shown)
    if row.decision is not None:
        yield f"  {_('Policy')}: {shown.say(row.decision.reason)} [{shown.line(row.decision.rule)}]"


def _step(step: Step, shown: _Words) -> Iterator[str]:
    share = f"{step.touches}/{step.population}" if step.population else str(step.touches)
    yield f"{_INDENT}{shown.risk(step)} · {shown.effect(step.effect)} · {_('objects')}: {share}"
    yield f"{_INDENT}{step.target}.{step.operation}({shown.line(_facts(step.arguments))})"
    yield f"{_INDENT}{_('only while')}: {shown.line(_facts(step.fingerprint)) or '–'}"
    yield f"{_INDENT}{_('undo')}: {shown.say(step.undo.what) if step.undo else _('none')}"


def _facts(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in facts.items())
