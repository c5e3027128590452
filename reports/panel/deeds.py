"""What a row's remedy would do and what was done: steps, and actions with what the target said before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from reports.clean import label
from reports.panel.pen import LINE, NAME, Pen
from reports.shown import ActionView, StepView
from reports.story import Change
from reports.words import EFFECTS, OUTCOMES, RISKS
from runbook.model import Action, Step
from runbook.redact import masked


def step(pen: Pen, given: Step) -> StepView:
    """One step of a plan."""
    return StepView(
        what=pen.say(given.what),
        call=_call(given),
        risk=pen.language.say(RISKS[given.risk]),
        effect=pen.language.say(EFFECTS[given.effect]) + _reach(pen, given),
        undo=pen.say(given.undo.what) if given.undo else pen.language.word("cannot be undone"),
    )


def action(pen: Pen, given: Action) -> ActionView:
    """One step that was tried."""
    return ActionView(
        what=pen.say(given.step.what),
        outcome=given.outcome.value.replace(" ", "-"),
        word=pen.language.say(OUTCOMES[given.outcome]),
        at=pen.language.clock(given.started_at),
        took=pen.language.duration(given.took),
        result=pen.say(given.result),
        changes=_changes(masked(given.before), masked(given.after), pen.detail.changes),
    )


def _reach(pen: Pen, given: Step) -> str:
    """How many of how many objects the step touches, where that says something."""
    if given.population is None:
        return ""
    return " · " + pen.language.word("{some} of {all}", some=given.touches, all=given.population)


def _call(given: Step) -> str:
    arguments = ", ".join(f"{name}={_plain(value)}" for name, value in masked(given.arguments).items())
    return label(f"{given.target}.{given.operation}({arguments})", LINE)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], most: int) -> tuple[Change, ...]:
    """What differs first, then what stayed, by name."""
    names = sorted({*before, *after}, key=lambda name: (before.get(name) == after.get(name), name))
    return tuple(Change(label(name, NAME), _plain(before.get(name)), _plain(after.get(name))) for name in names[:most])


def _plain(value: Any) -> str:
    """A value of free form as compact JSON."""
    if value is None:
        return "—"
    words = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return label(words, LINE // 2)
