"""SQL as text: the shape of a statement without its values, and the words it is made of.

Statements reach us from the server's views and logs, often cut off in the middle, with students' data as literals
and in comments. What is shown keeps neither. No grammar is needed for that, only the server's lexical rules; a
parser would be fifty times slower and would refuse what is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

COMMENT = r"--[^\n]*|/\*(?:[^*/]|\*(?!/)|/(?!\*)|/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z))*+(?:\*/|\Z)"
STRING = (
    r"(?<!\w)[eE]'(?:[^'\\]|\\.|'')*+(?:'|\\?\Z)"  # backslashes escape here only
    r"|(?:(?<!\w)(?:[bBxXnN]|[uU]&))?'(?:[^']|'')*+(?:'|\Z)"
    r"|(?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$(?s:.*?)(?:\$(?P=tag)\$|\Z)"
)
QUOTED = r'"(?:[^"]|"")*+(?:"|\Z)'
_NUMBER = r"(?<![\w$])(?:0[xX][\da-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
_PARAMETER = r"\$\d+"
#: The server's rules: an operator holds no comment, has at most 63 characters and ends in + or - only where it has a
#: character of the second kind.
_PLAIN, _SPECIAL = r"(?!--|/\*)[-+*/<>=]", r"[~!@#%^&|`?]"
_OPERATOR = (
    rf"(?:{_PLAIN}){{0,62}}{_SPECIAL}(?:{_PLAIN}|{_SPECIAL}){{0,62}}"
    rf"|(?:{_PLAIN}){{0,62}}(?!/\*)[*/<>=]|[-+]"
)

#: What the shape of a statement leaves out; a quoted name is matched so that nothing inside it is. The first
#: characters stand in front because most of a statement is none of it: a quarter faster.
_VALUE = re.compile(
    rf"(?=[-/\"'$\d.bBeEnNuUxX])(?:(?P<comment>{COMMENT})|(?P<quoted>{QUOTED})|(?P<value>{STRING}|(?<!\w){_PARAMETER}|{_NUMBER}))",
    re.DOTALL,
)
_TOKEN = re.compile(
    rf"(?P<comment>{COMMENT})|(?P<quoted>{QUOTED})|(?P<string>{STRING})|(?P<parameter>{_PARAMETER})"
    rf"|(?P<number>{_NUMBER})|(?P<word>[^\W\d][\w$]*)|(?P<sign>::|:=|{_OPERATOR}|.)",
    re.DOTALL,
)
_IS_PARAMETER = re.compile(rf"{_PARAMETER}\Z")
STRING_MARK, NUMBER_MARK = "'‹…›'", "‹n›"
_HOLE = "\0"  # no SQL text holds one
_LIST = re.compile(r"\b(IN) ?\( ?\0(?: ?, ?\0)+ ?\)", re.IGNORECASE)
_ROWS = re.compile(r"(\([^()\0]*\0[^()]*\))(?: ?, ?\([^()\0]*\0[^()]*\))+")
_LONGEST = 2000  # characters that anybody will read


class Token(NamedTuple):
    """A word, name, value or sign of a statement. ``kind`` is the name of the group in ``_TOKEN``."""

    kind: str
    text: str

    @property
    def name(self) -> str | None:
        """The identifier that it is, folded as the server folds it; None where it is none."""
        if self.kind == "word":
            return self.text.lower()
        return self.text[1:-1].replace('""', '"') if self.kind == "quoted" else None

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these key words, given in lower case."""
        return self.kind == "word" and self.text.lower() in words


def normalised(statement: str) -> str:
    """The statement's shape: values become ``$1``, ``$2`` … in order, comments go, white space is one blank.

    Lists of values and repeated rows shrink to one, so that statements differing only in number look alike. A
    literal cut off in the middle goes whole. At most 2,000 characters.
    """
    shape = _VALUE.sub(_without_value, statement.replace(_HOLE, ""))
    shape = _ROWS.sub(r"\1", _LIST.sub(rf"\1 ({_HOLE})", " ".join(shape.split())))
    first, *rest = shape.split(_HOLE)
    numbered = first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))
    return numbered if len(numbered) <= _LONGEST else numbered[: _LONGEST - 1] + "…"


def masked_literals(statement: str, *, longest: int = _LONGEST) -> str:
    """The statement as it was written, with a mark in place of every literal; without its comments.

    ``'‹…›'`` stands for a string, ``‹n›`` for a number: how many there were, and where, can still be seen.
    """
    shape = " ".join(_VALUE.sub(_with_mark, statement.replace(_HOLE, "")).split())
    return shape if len(shape) <= longest else shape[: longest - 1] + "…"


def tokens(statement: str) -> Iterator[Token]:
    """The statement's words in order, without comments and white space."""
    for match in _TOKEN.finditer(statement):
        kind = match.lastgroup or ""
        kind = "string" if kind == "tag" else kind
        if kind != "comment" and not match[0].isspace():
            yield Token(kind, match[0])


def _without_value(match: re.Match[str]) -> str:
    if match["quoted"] is not None:
        return match[0]
    return " " if match["comment"] is not None else _HOLE


def _with_mark(match: re.Match[str]) -> str:
    value = match["value"]
    if value is None or _IS_PARAMETER.match(value):
        return match[0] if match["comment"] is None else " "
    return STRING_MARK if "'" in value or "$" in value else NUMBER_MARK
