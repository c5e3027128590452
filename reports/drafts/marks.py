"""How a state, a standing and the outcome of a service level are marked in a document: by shape and by word."""

from __future__ import annotations

from reports.language import Language
from reports.levels import Held
from reports.shown import Mark
from reports.words import SHAPES, STANDINGS, Standing, of_state
from runbook.model import State
from runbook.text import text

HELD = {
    Held.KEPT: (Standing.OK, text("Met")),
    Held.MISSED: (Standing.CRITICAL, text("Missed")),
    Held.NOT_PROVEN: (Standing.UNKNOWN, text("Not proven")),
}


def mark(stands: State | Standing, language: Language) -> Mark:
    """The mark of a state or a standing."""
    standing = of_state(stands) if isinstance(stands, State) else stands
    return Mark(standing.value, SHAPES[standing], language.say(STANDINGS[standing]))


def held(given: Held, language: Language) -> Mark:
    """The mark of a level."""
    standing, words = HELD[given]
    return Mark(standing.value, SHAPES[standing], language.say(words))
