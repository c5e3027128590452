"""What changed of an incident since somebody was told last. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from runbook.delivery.memory import Told
from runbook.incidents import Incident
from runbook.model import State

BEGAN, NEW, WORSE, BETTER, ENDED, ESCALATED = "began", "new", "worse", "better", "ended", "escalated"
_RANK = {State.OK: 0, State.WARNING: 1, State.CRITICAL: 2}

#: Each row's state as it counts for an incident: OK, WARNING or CRITICAL.
States = Mapping[str, State]


class Change(NamedTuple):
    """One kind of change, and the rows it is true of."""

    kind: str
    rows: tuple[str, ...]


def changes(told: Told, incident: Incident, states: States) -> tuple[Change, ...]:
    """How the incident differs from what was told, what matters most first; empty when it does not."""
    if told.incident != incident.id:
        return () if incident.ended else (Change(BEGAN, broken(incident, states)),)
    if incident.ended:
        return (Change(ENDED, incident.rows),)
    kinds = {
        kind: tuple(row for row in incident.rows if _kind(told, row, states) == kind) for kind in (NEW, WORSE, BETTER)
    }
    return tuple(Change(kind, rows) for kind, rows in kinds.items() if rows)


def broken(incident: Incident, states: States) -> tuple[str, ...]:
    """The incident's rows that are breached now."""
    return tuple(row for row in incident.rows if states.get(row, State.OK) is not State.OK)


def now_told(incident: Incident, states: States) -> Told:
    """What a channel knows once it was told all of this."""
    if incident.ended:
        return Told()
    return Told(incident=incident.id, rows={row: states.get(row, State.OK).value for row in incident.rows})


def _kind(told: Told, row: str, states: States) -> str:
    if row not in told.rows:
        return NEW
    before, now = _RANK[State(told.rows[row])], _RANK[states.get(row, State.OK)]
    return WORSE if now > before else BETTER if now < before else ""
