"""A script taken apart as psql would: statements, the commands that begin with a backslash, and variables.

Only the lexical rules are known here, no grammar: where a statement ends, and what is a variable rather than text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from runbook.targets.sql_text import COMMENT, QUOTED, STRING, tokens

_VARIABLE = r":(?:'(?P<literal>\w+)'|\"(?P<identifier>\w+)\"|\{\?(?P<asked>\w+)\}|(?P<plain>\w+))"
_PIECE = re.compile(
    rf"(?P<comment>{COMMENT})|(?P<quoted>{QUOTED})|(?P<string>{STRING})|(?P<cast>::|:=)|(?P<variable>{_VARIABLE})"
    r"|(?P<word>[^\W\d][\w$]*)|(?P<command>\\;|\\[A-Za-z!?]+(?:[^\n\\]|\\(?!\\))*(?:\\\\)?)|(?P<sign>.)",
    re.DOTALL,
)
#: Commands that send what was typed before them, as a semicolon does.
_SENDING = frozenset({"g", "gx", "gset", "gexec", "gdesc", "crosstabview", "watch", "bind"})
_DATA_ENDS = re.compile(r"^\\\.[ \t]*$\n?", re.MULTILINE)
_ARGUMENT = re.compile(r"'((?:[^'\\]|\\.|'')*)'|(\S+)")


class Statement(msgspec.Struct, frozen=True):
    """One statement as it stands in the script; ``sent_by`` is ``;``, the command that sent it, or empty at the end."""

    words: str
    line: int
    sent_by: str = ";"


class Command(msgspec.Struct, frozen=True):
    """A command of psql: its name without the backslash, and what stands behind it."""

    name: str
    words: str
    line: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """Its words, single quotes taken off."""
        found = _ARGUMENT.findall(self.words)
        return tuple(plain if plain else quoted.replace("''", "'") for quoted, plain in found)


Part = Statement | Command


class _Buffer(msgspec.Struct):
    """What was read of a statement that has not ended."""

    pieces: list[str] = msgspec.field(default_factory=list)
    line: int = 0
    depth: int = 0

    def add(self, piece: str, line: int, *, counts: bool) -> None:
        self.line = self.line or (line if counts else 0)
        self.depth = max(self.depth + (piece == "(") - (piece == ")"), 0)
        self.pieces.append(piece)

    def taken(self) -> tuple[str, int]:
        words, line = "".join(self.pieces).strip(), self.line
        self.pieces, self.line, self.depth = [], 0, 0
        return words, line


def parts(source: str) -> Iterator[Part]:
    """The statements and commands of a script in order; the last statement needs no semicolon."""
    buffer, place, line = _Buffer(), 0, 1
    while place < len(source):
        match = _PIECE.match(source, place)
        assert match is not None  # the last alternative takes any character  # noqa: S101
        piece, place, here = match[0], match.end(), line
        line += piece.count("\n")
        if match["command"] is not None:
            yield from _commanded(piece, here, buffer)
        elif piece == ";" and not buffer.depth:
            words, began = buffer.taken()
            if began:
                yield Statement(words, began)
                place, line = _behind_data(words, source, place, line)
        else:
            buffer.add(piece, here, counts=match["comment"] is None and not piece.isspace())
    words, began = buffer.taken()
    if began:
        yield Statement(words, began, "")


def filled(words: str, value: Callable[[re.Match[str]], str | None]) -> str:
    """The words with each variable replaced by what ``value`` makes of it; None leaves it as it stands."""

    def one(match: re.Match[str]) -> str:
        made = value(match) if match["variable"] is not None else None
        return match[0] if made is None else made

    return _PIECE.sub(one, words)


def variables(words: str) -> Iterator[str]:
    """The names of the variables that stand in a statement."""
    for match in _PIECE.finditer(words):
        if match["variable"] is not None:
            yield match["literal"] or match["identifier"] or match["asked"] or match["plain"]


def _commanded(piece: str, line: int, buffer: _Buffer) -> Iterator[Part]:
    """A command acts at once; what was typed before it waits, unless it is one that sends it."""
    name, *rest = piece.removesuffix("\\\\")[1:].split(maxsplit=1)
    words = "".join(rest)
    if name == ";" or name in _SENDING:
        typed, began = buffer.taken()
        if began:
            yield Statement(typed, began, ";" if name == ";" else f"{name} {words}".strip())
    else:
        yield Command(name, words.strip(), line)


def _behind_data(words: str, source: str, place: int, line: int) -> tuple[int, int]:
    """The data of COPY … FROM STDIN stand in the script: they are no statements."""
    found = list(tokens(words))
    if not (found and found[0].is_word("copy") and any(word.is_word("stdin") for word in found)):
        return place, line
    end = _DATA_ENDS.search(source, place)
    behind = end.end() if end else len(source)
    return behind, line + source.count("\n", place, behind)
