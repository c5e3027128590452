"""The report for a ticket, in the syntax of its tracker: a short comment, and the whole of it as an attachment.

Everything from outside is escaped: it is never markup, calls no person, links no issue and gives no command.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Protocol, cast

from reports.document.blocks import Block
from reports.document.fitting import fitted
from reports.document.page import page
from reports.document.short import shorter_and_shorter
from reports.language import Language
from reports.markdown.github import LARGEST, code, escaped
from reports.panel import IN_A_LINE, IN_BRIEF
from reports.view import FULL
from runbook.errors import ReportError
from runbook.model import Run
from runbook.text import text

__all__ = ["FLAVOURS", "LARGEST", "LARGEST_COMMENT", "code", "comment", "escaped", "render", "whole"]

#: Characters of a comment that is read without scrolling; a marker of the ticket's room has its place beside it.
LARGEST_COMMENT = 3_800
#: The syntaxes there are: ``adf`` is what Jira Cloud takes in JSON, ``plain`` what journals without markup take.
FLAVOURS = ("github", "gitlab", "jira", "adf", "plain")
_LEVELS = ((FULL, IN_BRIEF), (8, IN_A_LINE), (0, IN_A_LINE))


class Flavour(Protocol):
    """A tracker's syntax: the characters it takes, and blocks written down in it."""

    LARGEST: int

    def written(self, blocks: Sequence[Block]) -> str:
        """The blocks as text."""
        ...

    def size(self, written: str) -> int:
        """The characters of such a text that are read."""
        ...


def render(run: Run, language: Language) -> bytes:
    """The whole document as GitHub takes it, UTF-8."""
    return whole(run, "github", language)


def whole(run: Run, flavour: str, language: Language) -> bytes:
    """The whole document in one syntax.

    Rows told in full become fewer, and the tail is cut, until the tracker takes it.
    """
    syntax = _flavour(flavour)
    cut = language.word("The rest did not fit: it is in the HTML and the JSON of this run.")
    return fitted(_shorter(run, language), syntax.written, syntax.LARGEST, cut).encode("utf-8", "replace")


def comment(run: Run, flavour: str, language: Language) -> bytes:
    """The first screen of a run in one syntax, of which at most LARGEST_COMMENT characters are read; ``adf`` is JSON.

    Raises ReportError for a flavour there is not.
    """
    syntax = _flavour(flavour)
    cut = language.word("The rest did not fit: it is in the HTML and the JSON of this run.")
    candidates = shorter_and_shorter(run, language)
    return fitted(candidates, syntax.written, LARGEST_COMMENT, cut, syntax.size).encode("utf-8", "replace")


def _shorter(run: Run, language: Language) -> Iterator[tuple[Block, ...]]:
    for full, rest in _LEVELS:
        yield page(run, language, full=full, rest=rest)


def _flavour(name: str) -> Flavour:
    if name not in FLAVOURS:
        raise ReportError(text("No flavour {name}: there are {known}", name=name, known=", ".join(FLAVOURS)))
    return cast(Flavour, import_module(f"reports.markdown.{name}"))
