"""What the first lines say of the run as a whole: since when, how bad, why, what was done, did it help, what is left.

Each row tells the same of itself below; one that stands alone needs no summary of itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from reports.clean import shortened
from reports.language import Language
from reports.shown import Panel
from reports.story import reached
from reports.words import is_open, standing
from runbook.model import Outcome, Proven, Record, Verdict

Rows = Sequence[tuple[Record, Panel]]
#: Causes that are named, the others are counted; characters of a sentence that the row itself tells in full.
NAMED, SENTENCE = 2, 140


class Answer(msgspec.Struct, frozen=True):
    """A question and what there is to say to it."""

    question: str
    sentences: tuple[str, ...]


def answers(troubled: Rows, began: datetime, until: datetime, language: Language) -> tuple[Answer, ...]:
    """The answers about rows that are open, waived or were fixed, worst first; none for fewer than two.

    ``began`` and ``until`` are the run's ends: what was first seen in it is not told as "for 3 ms".
    """
    if len(troubled) < 2:
        return ()
    told, word = _Told(troubled, began, until, language), language.word
    return (
        Answer(word("Since"), (told.since(),)),
        Answer(word("How bad"), (told.how_bad(),)),
        Answer(word("Why"), tuple(told.why())),
        Answer(word("What was done"), tuple(told.done())),
        Answer(word("Did it help?"), (told.helped(),)),
        Answer(word("What is left"), tuple(told.left())),
    )


class _Told:
    def __init__(self, rows: Rows, began: datetime, until: datetime, language: Language) -> None:
        self.rows, self.began, self.until, self.language = rows, began, until, language
        self.records = [record for record, _ in rows]
        self.outcomes = [action.outcome for record in self.records for action in record.actions]

    def since(self) -> str:
        """The row that was seen broken first."""
        seen = [(record.breached_since, panel.row) for record, panel in self.rows if record.breached_since]
        if not seen or min(seen)[0] >= self.began:
            return self.language.word("first seen in this run")
        at, row = min(seen)
        span = self.language.duration(max(self.until - at, timedelta()))
        return self.language.word(
            "{row} for {span}, since {moment}", row=row, span=span, moment=self.language.moment(at)
        )

    def how_bad(self) -> str:
        """The value of the worst row."""
        _, panel = self.rows[0]
        if panel.worst is None or panel.mark.name == "unknown":
            return f"{panel.row}: {panel.summary}"
        beside = panel.story.how_bad or self._limit(self.records[0].verdict)
        return f"{panel.row}: {panel.worst.value} ({beside})" if beside else f"{panel.row}: {panel.summary}"

    def _limit(self, verdict: Verdict) -> str:
        """The limit that the worst value is beyond."""
        limit = reached(verdict.measures[0])
        return "" if limit is None else self.language.word("limit {limit}", limit=limit)

    def why(self) -> Iterator[str]:
        """The confirmed causes, each once."""
        causes = list(
            dict.fromkeys(f.cause for _, panel in self.rows for f in panel.findings if f.proof == "confirmed")
        )
        if not causes:
            yield self.language.word("No cause is confirmed")
        yield from causes[:NAMED]
        if len(causes) > NAMED:
            yield self.language.word("and {count} more", count=len(causes) - NAMED)

    def done(self) -> Iterator[str]:
        """How many steps were done, and how many could not be."""
        plural, tried = self.language.plural, self.outcomes
        failed = tried.count(Outcome.FAILED) + tried.count(Outcome.REFUSED)
        if done := tried.count(Outcome.DONE):
            yield plural("{count} step done", "{count} steps done", done)
        if failed:
            yield plural("{count} step failed or was refused", "{count} steps failed or were refused", failed)
        if not done and not failed:
            yield self.language.word("Nothing was changed")

    def helped(self) -> str:
        """How many of the rows that were treated are proven to be fixed."""
        proofs = [record.verification.proven for record in self.records if record.verification]
        if not proofs:
            changed = Outcome.DONE in self.outcomes
            return self.language.word("Not proven") if changed else self.language.word("Does not apply")
        return self.language.word(
            "{fixed} of {treated} treated rows fixed and proven", fixed=proofs.count(Proven.FIXED), treated=len(proofs)
        )

    def left(self) -> Iterator[str]:
        """How many rows are open, and what is next for the worst of them."""
        open_ = [panel for record, panel in self.rows if is_open(standing(record))]
        if not open_:
            yield self.language.word("Nothing is left to do")
            return
        yield self.language.plural("{count} row is open", "{count} rows are open", len(open_))
        if open_[0].story.next:
            yield shortened(f"{open_[0].row}: {open_[0].story.next[0]}", SENTENCE)
