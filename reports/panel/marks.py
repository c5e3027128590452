"""The mark of a state: its shape and its word in the reader's language."""

from __future__ import annotations

from reports.language import Language
from reports.shown import Mark
from reports.words import SHAPES, STANDINGS, Standing


def mark(of: Standing, language: Language) -> Mark:
    """Shape and word of a standing."""
    return Mark(of.value, SHAPES[of], language.say(STANDINGS[of]))
