"""Waivers: a breach that somebody answers for does not alert, until its day or until it is worse than what was seen.

Pure. A waiver never hides anything: the row keeps its state, and every report shows who accepted it, until when, why.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from runbook.model import BREACHED, Measure, State, Verdict, Waived
from runbook.settings import Waiver
from runbook.settings.waivers import STATES, amount
from runbook.text import Quantity, Text, text

_RANK = {State.OK: 0, State.SKIPPED: 0, State.WARNING: 1, State.CRITICAL: 2}


def applied(given: Iterable[Waiver], row: str, verdict: Verdict, today: date) -> tuple[Waived, ...]:
    """The waivers of a row as they stand today; all that are in force hold together or none does.

    Each breached object must be covered by one of them.
    """
    mine = [waiver for waiver in given if waiver.row == row]
    in_force = [waiver for waiver in mine if waiver.start <= today <= waiver.expires]
    against = _against(in_force, verdict)
    return tuple(_waived(waiver, waiver in in_force, against, today) for waiver in mine)


def _against(in_force: list[Waiver], verdict: Verdict) -> Text | None:
    """Why the waivers in force do not hold; None where they do, or there is nothing that could alert."""
    if verdict.state in (State.OK, State.SKIPPED):
        return text("The row is in order: the waiver is not needed")
    breached = [measure for measure in verdict.measures if measure.state in BREACHED]
    if verdict.state is State.UNKNOWN or not breached:
        seen = any(_covers_state(waiver, verdict.state) for waiver in in_force)
        return None if seen else text("{state} was not seen when it was waived", state=verdict.state.value)
    for measure in breached:
        if not any(_covers(waiver, measure) for waiver in in_force):
            return text(
                "{object} is worse than what was waived, or was not seen then: {value}",
                object=measure.object,
                value=measure.value if measure.value is not None else measure.state.value,
            )
    return None


def _covers(waiver: Waiver, measure: Measure) -> bool:
    if not _covers_state(waiver, measure.state):
        return False
    if not waiver.seen:
        return True
    seen = waiver.seen.get(measure.object)
    return seen is not None and _no_worse(measure, seen)


def _covers_state(waiver: Waiver, state: State) -> bool:
    """What was seen covers what is as bad or less; that something could not be read is another matter."""
    seen = State(waiver.state)
    if State.UNKNOWN in (seen, state):
        return seen is state
    return _RANK[state] <= _RANK[seen]


def _no_worse(measure: Measure, seen: str | float) -> bool:
    if seen in STATES:
        return _RANK.get(measure.state, 3) <= _RANK.get(State(seen), 0)
    value = measure.value.value if isinstance(measure.value, Quantity) else measure.value
    if not isinstance(value, int | float):
        return False
    limit = amount(seen)
    return value <= limit if measure.direction == "above" else value >= limit


def _waived(waiver: Waiver, in_force: bool, against: Text | None, today: date) -> Waived:
    why = against if in_force else _when(waiver, today)
    return Waived(
        owner=waiver.owner,
        approver=waiver.approver,
        reason=waiver.reason,
        start=waiver.start,
        expires=waiver.expires,
        state=State(waiver.state),
        seen={object: str(seen) for object, seen in waiver.seen.items()},
        holds=in_force and against is None,
        against=why,
    )


def _when(waiver: Waiver, today: date) -> Text:
    if today < waiver.start:
        return text("The waiver begins on {day}", day=waiver.start.isoformat())
    return text("The waiver expired on {day}", day=waiver.expires.isoformat())
