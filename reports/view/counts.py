"""How many rows stand how, worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from reports.language import Language
from reports.panel import mark
from reports.shown import Mark
from reports.words import Standing


class Count(msgspec.Struct, frozen=True):
    """How many rows stand so."""

    mark: Mark
    number: int
    share: float


def counts(standings: Iterable[Standing], language: Language) -> tuple[Count, ...]:
    """One count for each standing that there is; ``share`` is in per cent of all."""
    found = Counter(standings)
    total = max(found.total(), 1)
    there = (standing for standing in Standing if found[standing])
    return tuple(Count(mark(s, language), found[s], round(found[s] / total * 100, 2)) for s in there)
