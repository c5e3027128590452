"""Which rows say the same as some words of a guide: by the ids the words name, else by the words they share.

Rare words count for more than frequent ones, and a word that no row knows counts most: words about something that no
row watches find no row. Inflections are cut off, so that ``índices`` finds ``índice`` and ``aumentando``, ``aumentar``.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from runbook.coverage.amounts import folded
from runbook.rows import Row
from runbook.text import Text

#: How alike words must be: below that, a person reading both would not say that one stands for the other.
ALIKE = 0.6
#: Rows this near to the best one are meant as well.
_AS_GOOD = 0.95
#: Letters that tell one word from another in Spanish and English; what follows is inflection.
_STEM = 6
_WORD = re.compile(r"[a-z0-9]+")
_ID = re.compile(r"\b[A-Z][A-Z0-9]*-\d{2,}\b")
_EMPTY = frozenset(
    _WORD.findall(
        """
        a al algo ante bajo cada como con contra cual cuando de del desde donde e el ella en entre es esta estan este
        esto fue ha han hasta hay la las le les lo los mas muy ni no nada ningun ninguna o para pero por porque que se
        sea segun ser si sin sobre son su sus tambien tiene tengan toda todas todo todos u un una uno unos y ya alerta
        the an and any are as at be been by do does for from has have if in into is it its no none not of on or so than
        that their them there they this to too was were what when which who will with within without alert
        """
    )
)


class Phrase(msgspec.Struct, frozen=True):
    """Words of a row, and the row's id."""

    row: str
    words: frozenset[str]


class Matcher:
    """The words of all rows, with the weight of each."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = {row.id: row for row in rows}
        self._titles = [p for row in self._rows.values() for p in _phrases(row, _titles(row))]
        self._causes = [p for row in self._rows.values() for p in _phrases(row, _causes(row))]
        self._steps = [p for row in self._rows.values() for p in _phrases(row, _steps(row))]
        known = [*self._titles, *self._causes, *self._steps]
        together = {id: frozenset[str]().union(*(p.words for p in known if p.row == id)) for id in self._rows}
        self._seen = Counter(word for words in together.values() for word in words)

    def pinned(self, words: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The rows that the words name by id, and the ids they name that no row has."""
        named = dict.fromkeys(_ID.findall(words))
        families = {id.partition("-")[0] for id in self._rows}
        strange = (id for id in named if id not in self._rows and id.partition("-")[0] in families)
        return tuple(id for id in named if id in self._rows), tuple(strange)

    def titled(self, words: str) -> tuple[str, ...]:
        """The rows whose title or source says this."""
        return self._best(words, self._titles)

    def causing(self, words: str, of: tuple[str, ...]) -> tuple[str, ...]:
        """The rows that diagnose this cause: those of the symptom, else any."""
        return self._nearby(words, self._causes, of)

    def stepping(self, words: str, of: tuple[str, ...]) -> tuple[str, ...]:
        """The rows that carry out this step: those of the symptom and those that check just this, else any."""
        own = self._nearby(words, self._steps, of)
        return tuple(dict.fromkeys([*own, *self.titled(words)]))

    def citing(self, number: str) -> tuple[str, ...]:
        """The rows whose source cites a section of the guide."""
        cited = re.compile(rf"§{re.escape(number)}(?![\d.]*\d)")
        return tuple(row.id for row in self._rows.values() if cited.search(row.source))

    def closest(self, words: str, among: Mapping[str, Text]) -> str | None:
        """Which of the named wordings, in either language, says this."""
        phrases = [
            Phrase(name, stems(said)) for name, text in among.items() for said in (str(text), text.spanish or "")
        ]
        return next(iter(self._best(words, phrases)), None)

    def nearest(self, words: str) -> str | None:
        """The row that comes nearest where none says the same: a hint for a person, no more."""
        sought = stems(words)
        phrases = [*self._titles, *self._causes, *self._steps]
        best = max(phrases, key=lambda phrase: self.likeness(sought, phrase.words), default=None)
        return best.row if best and self.likeness(sought, best.words) else None

    def _nearby(self, words: str, phrases: list[Phrase], of: tuple[str, ...]) -> tuple[str, ...]:
        own = [phrase for phrase in phrases if phrase.row in of]
        return self._best(words, own) or self._best(words, phrases)

    def _best(self, words: str, phrases: list[Phrase]) -> tuple[str, ...]:
        sought = stems(words)
        scores: dict[str, float] = {}
        for phrase in phrases:
            scores[phrase.row] = max(scores.get(phrase.row, 0.0), self.likeness(sought, phrase.words))
        least = max(ALIKE, _AS_GOOD * max(scores.values(), default=0.0))
        return tuple(id for id, score in scores.items() if score >= least)

    def likeness(self, sought: frozenset[str], phrase: frozenset[str]) -> float:
        """0 to 1. A single word in common proves nothing unless it is all that either says."""
        common = sought & phrase
        if not common or (len(common) == 1 and len(sought | phrase) > 1):
            return 0.0
        shared, one, other = (self._weight(words) for words in (common, sought, phrase))
        return (2 * shared / (one + other) + shared / min(one, other)) / 2

    def _weight(self, words: Iterable[str]) -> float:
        return sum(math.log(1 + len(self._rows) / (self._seen[word] or 0.5)) for word in words)


@functools.cache
def stems(words: str) -> frozenset[str]:
    """The words that carry meaning, each cut to its stem."""
    return frozenset(word[:_STEM] for word in _WORD.findall(folded(_ID.sub(" ", words))) if word not in _EMPTY)


def _phrases(row: Row, said: Iterable[str]) -> Iterable[Phrase]:
    return (Phrase(row.id, found) for words in said if (found := stems(words)))


def _titles(row: Row) -> list[str]:
    cited = re.split(r"[;:()]", re.sub(r"Guía de Operaciones|§[\d.]+|práctica común", ";", row.source))
    return [str(row.title), row.title.spanish or "", *cited]


def _causes(row: Row) -> list[str]:
    return [words for cause in row.causes for words in (str(cause.words), cause.words.spanish or "")]


def _steps(row: Row) -> list[str]:
    return [words for step in row.steps for words in (str(step), step.spanish or "")]
