"""GitLab's Markdown. More than GitHub's may mean something in it: ``!1``, ``%"a"``, ``{+ + }``, and ``/close`` at the
beginning of a line is a command.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.document.blocks import Block
from reports.language import Language
from reports.markdown import github
from reports.markdown.commonmark import CommonMark
from runbook.model import Run

#: Characters of a description; GitLab takes 1,048,576, and stops rendering long before.
LARGEST = 200_000
size = len
#: Breaks what refers to a merge request, a snippet, a label, a milestone, an epic, an alert.
_NO_REFERENCE = re.compile(r"(?<=[!$~%&^])(?=[\w\"])")


def render(run: Run, language: Language) -> bytes:
    """The whole document as GitLab takes it, UTF-8."""
    from reports.markdown import whole

    return whole(run, "gitlab", language)


def written(blocks: Sequence[Block]) -> str:
    """The blocks as text."""
    return _SYNTAX.written(blocks)


def escaped(words: str) -> str:
    """Words from outside as plain text of one line."""
    plain = github.escaped(_NO_REFERENCE.sub(github.ZERO_WIDTH, words)).replace("{", "\\{")
    return f"\\{plain}" if plain.startswith("/") else plain


_SYNTAX = CommonMark(escaped)
