"""GitHub's Markdown. Words from outside stand in a code span, where nothing is markup, or with every mark escaped.

An ``@`` or ``#`` of theirs must neither call a person nor link an issue.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.clean import one_line
from reports.document.blocks import Block
from reports.markdown.commonmark import CommonMark

#: Characters of one comment or description; GitHub takes 65,536.
LARGEST = 60_000
size = len
ZERO_WIDTH = "\u200b"
#: Marks of markup anywhere in a line; an underscore within a word is none.
_MARKUP = re.compile(r"[\\`*\[\]<|~$&]|(?<![^\W_])_|_(?![^\W_])")
#: What would make a line a heading, a quotation, a rule or an item of a list.
_AT_START = re.compile(r"^(\d+(?=[.)](?:\s|$))|)([-+=#>.)])")
#: Breaks a mention, an issue number, a bare link and an emoji without showing.
_NO_LINK = re.compile(
    r"(?<=@)(?=\w)|(?<=#)(?=\d)|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=:)(?=[a-z+-][a-z0-9_+-]*:)", re.IGNORECASE
)


def written(blocks: Sequence[Block]) -> str:
    """The blocks as text."""
    return _SYNTAX.written(blocks)


def escaped(words: str) -> str:
    """Words from outside as plain text of one line."""
    plain = _MARKUP.sub(r"\\\g<0>", _NO_LINK.sub(ZERO_WIDTH, one_line(words)))
    return _AT_START.sub(r"\1\\\2", plain)


def code(words: str) -> str:
    """Words from outside as a code span, also inside a table."""
    return _SYNTAX.code(words)


_SYNTAX = CommonMark(escaped)
