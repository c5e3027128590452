"""What every tracker can do, and the mark by which our own comments are known again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import quote, unquote

from runbook.incidents import Incident

STATE, END = "state", "end"
_MARK = re.compile(r"muses-runbook incident=(\S*) run=(\S*) kind=(\w+) digest=(\w*)")


class Mark(NamedTuple):
    """Which run of which incident a comment tells of; ``kind`` is STATE or END, ``digest`` what it was made from."""

    incident: str
    run: str
    kind: str
    digest: str


class Note(NamedTuple):
    """A comment of ours: the tracker's id for it, and its mark."""

    id: str
    mark: Mark


class Tracker(Protocol):
    """One kind of tracker. ``flavour`` is its syntax, ``formats`` the reports it is given as files.

    Where it does not ``rewrite``, what was said stays said. All raise DeliveryError.
    """

    flavour: str
    formats: tuple[str, ...]
    rewrites: bool

    def notes(self, ticket: str) -> Iterator[Note]:
        """The comments with a mark of ours, oldest first."""
        ...

    def write(self, ticket: str, words: str, mark: Mark) -> None:
        """Add a comment."""
        ...

    def rewrite(self, ticket: str, note: Note, words: str, mark: Mark) -> None:
        """Put other words in the place of a comment's."""
        ...

    def attach(self, ticket: str, files: Mapping[str, bytes]) -> str:
        """Attach files by name, each once; the words that a comment needs to link to them, in the tracker's syntax."""
        ...

    def find(self, incident: Incident) -> str | None:
        """The ticket that was opened for the incident."""
        ...

    def open(self, incident: Incident, title: str, words: str) -> str:
        """Open a ticket for the incident and return its name."""
        ...

    def close(self, ticket: str, words: str) -> bool:
        """Close the ticket for that reason; False where it was closed already, or cannot be."""
        ...

    def link(self, ticket: str) -> str:
        """Where a person finds it."""
        ...


def marked(mark: Mark) -> str:
    """The mark as one line."""
    incident, run = (quote(word, safe=":.").replace("--", "%2D%2D") for word in (mark.incident, mark.run))
    return f"muses-runbook incident={incident} run={run} kind={mark.kind} digest={mark.digest}"


def hidden(mark: Mark) -> str:
    """The mark as a line that Markdown does not show."""
    return f"<!-- {marked(mark)} -->"


def marks_in(words: str) -> Iterator[Mark]:
    """The marks of a text, in their order."""
    for found in _MARK.finditer(words):
        yield Mark(unquote(found[1]), unquote(found[2]), found[3], found[4])


def mark_at_start(words: str) -> Mark | None:
    """The mark of a comment of ours: in its first line, where nobody's quotation has it."""
    first = words.lstrip("\ufeff").split("\n", 1)[0]
    return next(marks_in(first), None) if first.startswith("<!-- muses-runbook ") else None
