"""The plan file of a run as every format shows it: what it holds, who approved it, and what to type next."""

from __future__ import annotations

import msgspec

from reports.clean import harmless, label
from reports.language import Language
from reports.words import RISKS
from runbook.model import PlanNotice
from runbook.text import Quantity

NAME, LONGEST = 200, 2_000


class PlanView(msgspec.Struct, frozen=True):
    """``commands`` are to be copied: they are shown as they are, on lines of their own."""

    title: str
    what: str
    file: str
    approvals: tuple[str, ...]
    refused: tuple[str, ...]
    note: str
    commands: tuple[str, ...]


def plan_view(told: PlanNotice, language: Language) -> PlanView:
    """The words for a plan that waits, or that was applied."""
    return PlanView(
        title=_title(told, language),
        what=language.word(
            "{steps} for {rows} ({risk}), valid until {until}; plan {hash}",
            steps=Quantity(told.steps, "step"),
            rows=label(", ".join(told.rows), NAME) or "–",
            risk=language.say(RISKS[told.risk]),
            until=language.moment(told.expires_at),
            hash=label(told.hash[:12], NAME),
        ),
        file=label(told.file, LONGEST),
        approvals=tuple(label(who, NAME) for who in told.approvals),
        refused=tuple(f"{label(row, NAME)}: {language.say(reason)}" for row, reason in told.refused.items()),
        note=language.say(told.note),
        commands=tuple(harmless(command)[:LONGEST] for command in told.commands),
    )


def _title(told: PlanNotice, language: Language) -> str:
    if not told.applied:
        return language.word("A plan waits for approval") if told.steps else language.word("There is nothing to plan")
    if not told.refused:
        return language.word("An approved plan was applied")
    if set(told.rows) <= set(told.refused):
        return language.word("Nothing of the approved plan ran")
    return language.word("A part of the approved plan was refused")
