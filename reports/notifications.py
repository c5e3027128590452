"""What people are told by message when an incident changes: one title, and a line for each row that changed.

Plain text: each channel sets it in its own way. Words from outside call nobody and link nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from reports.clean import label
from reports.language import Language
from reports.tickets import named
from reports.words import SHAPES, STANDINGS, standing
from runbook.model import Record, Run, final
from runbook.text import Text, text

if TYPE_CHECKING:
    from runbook.incidents import Incident

#: Rows told of in one message; short enough for a telephone.
ROWS = 8
_LONGEST = 200
#: Breaks what would call somebody or become a link: ``@here``, ``<!channel>``, ``#1``, ``https://…``.
_CALLS = re.compile(r"(?<=[@#<])(?=\S)|(?<=:)(?=//)")
_ZERO_WIDTH = "\u200b"

_TITLES: dict[str, Text] = {
    "began": text("Incident begins"),
    "new": text("More is broken"),
    "worse": text("It gets worse"),
    "better": text("It gets better"),
    "ended": text("Incident over"),
    "escalated": text("Nobody has acknowledged the incident"),
}


class Message(NamedTuple):
    """What is sent; ``tone`` is Apprise's word for how bad it is: failure, warning, success or info."""

    title: str
    body: str
    tone: str


def message(
    changes: Sequence[tuple[str, tuple[str, ...]]],
    incident: Incident,
    run: Run | None,
    language: Language,
    *,
    acknowledged: str = "",
    fixed: bool = True,
) -> Message:
    """What changed of an incident; ``run`` is the newest that judged it, where it can still be read.

    ``changes`` are kinds (began, new, worse, better, ended, escalated) with their rows, what matters most first.
    """
    return _Said(changes, incident, run, language, acknowledged, fixed).message()


def silence(environment: str, last: datetime, longest: timedelta, language: Language) -> Message:
    """That no run was made for too long."""
    place, span = label(environment, 40), language.duration(longest)
    title = language.word("{place}: no run for {span}", place=place, span=span)
    body = language.word("The last run was at {moment}. Until there is another one nobody looks.", moment=last)
    return Message(title, body, "failure")


class _Said:
    def __init__(
        self,
        changes: Sequence[tuple[str, tuple[str, ...]]],
        incident: Incident,
        run: Run | None,
        language: Language,
        acknowledged: str,
        fixed: bool,
    ) -> None:
        self.changes, self.incident, self.language = changes, incident, language
        self.acknowledged, self.fixed = acknowledged, fixed
        self.records = {record.row: record for record in run.records} if run else {}

    def message(self) -> Message:
        kind, rows = self.changes[0]
        place = label(self.incident.environment, 40)
        title = f"{place}: {self.what(kind)} – {named(rows, self.language, 3)}"
        return Message(_uncalled(title), "\n".join(map(_uncalled, self.lines())), self.tone(kind))

    def what(self, kind: str) -> str:
        if kind != "ended":
            return self.language.say(_TITLES[kind])
        return self.language.word("Fixed and proven") if self.fixed else self.language.word("Over, but not mended")

    def tone(self, kind: str) -> str:
        if kind in ("ended", "better"):
            return "success" if self.fixed else "info"
        return "failure" if self.incident.worst.value == "CRITICAL" else "warning"

    def lines(self) -> Iterator[str]:
        for kind, rows in self.changes:
            if len(self.changes) > 1:
                yield f"{self.what(kind)}:"
            yield from map(self.row, rows[:ROWS])
            if left := max(len(rows) - ROWS, 0):
                yield self.language.word("and {count} more", count=left)
        yield ""
        yield from self.foot()

    def row(self, id: str) -> str:
        record = self.records.get(id)
        return label(id, 60) if record is None else self.told(record)

    def told(self, record: Record) -> str:
        found = standing(record)
        state = self.language.say(STANDINGS[found])
        summary = label(self.language.say(final(record).summary), _LONGEST)
        return f"{SHAPES[found]} {label(record.row, 60)} {state}: {summary}"

    def foot(self) -> Iterator[str]:
        incident, word = self.incident, self.language.word
        yield word("Incident {id}, since {moment}", id=label(incident.id, 120), moment=incident.began)
        if incident.ended:
            yield word("It lasted {span}", span=incident.ended - incident.began)
        elif self.acknowledged:
            yield word("Taken care of by {who}", who=label(self.acknowledged, 80))
        else:
            yield word("To acknowledge it: {command}", command=f"muses-runbook ack {label(incident.id, 120)} --as …")


def _uncalled(words: str) -> str:
    return _CALLS.sub(_ZERO_WIDTH, words)
