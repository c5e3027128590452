"""How much of a row is shown, and how its words are cut to that size."""

from __future__ import annotations

import msgspec

from reports.clean import label, shortened
from reports.language import Language
from runbook.text import Text

#: Characters of a line of a sample, of a name.
LINE, NAME = 260, 120


class Detail(msgspec.Struct, frozen=True):
    """How much of a row is shown: characters of a paragraph, and how many of each thing; the rest is counted.

    ``slices`` are those of a trend: it keeps the lowest and the highest point of each, and is not drawn for none.
    """

    brief: bool
    paragraph: int
    measures: int
    findings: int
    evidence: int
    steps: int
    samples: int = 4
    changes: int = 8
    slices: int = 0


class Pen(msgspec.Struct, frozen=True):
    """Writes a row's words in one language, in so much detail."""

    language: Language
    detail: Detail

    def say(self, words: Text | None) -> str:
        """A sentence, no longer than a paragraph may be."""
        return shortened(self.language.say(words), self.detail.paragraph)

    def name(self, words: str) -> str:
        """A name from outside."""
        return label(words, NAME)

    def more(self, left: int) -> str:
        """How many are left out; empty for none."""
        return self.language.word("and {count} more", count=left) if left > 0 else ""
