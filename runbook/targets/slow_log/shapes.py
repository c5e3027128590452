"""Which shape a logged statement has, found a hundred times faster than by taking it apart.

Most statements of a log differ in their values only. Their text without its string literals and with every digit made
a nought is a key that needs three passes in C. Digits that belong to names (``tbae001_…``) stand at the same places in
all statements of one key, and are looked at there. Only what was never seen is taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any, TypeVar

from runbook.targets.slow_log.counted import Shape
from runbook.targets.sql_text import normalised

_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_NAMES = re.compile(rb'"[^"]*"|(?<![\w$\x80-\xff])[a-zA-Z_\x80-\xff][\w$\x80-\xff]*')
_NUMBERS = re.compile(rb"(?<=[ =(,<>+\-*/])[0-9][0-9.]*")
_QUOTED_NUMBER = re.compile(rb'"[^"]*[ =(,<>+\-*/][0-9]')
#: Where a quote may not be a literal's: comments, dollar quotes, and literals in which backslashes escape.
_TRICKY = re.compile(rb"--|/\*|\$(?!\d)|(?<!\w)[eE]'")
_MOST = 40_000  # keys held, of some hundred bytes each
_LONGEST = 20_000  # characters of a key that is held

Key = TypeVar("Key", str, bytes)
Known = tuple["Callable[[bytes], Any] | None", dict[Any, Shape]]


class Shapes(dict[str, Shape]):
    """The shapes by their text, and a way to find a statement's."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[bytes, Known] = {}
        self._numberless: dict[bytes, Shape] = {}
        self._tricky: dict[str, Shape] = {}

    def find(self, statement: str) -> Shape:
        """The shape of a statement. The text may be bytes read as Latin-1."""
        code = ("'".join(statement.split("'")[::2]) if "'" in statement else statement).encode("utf-8", "replace")
        key = code.translate(_DIGITS)
        known = self._known.get(key)
        if known is not None:
            digits, shapes = known
            shape = shapes.get(digits(code) if digits else None)
            if shape is not None:
                return shape
        return self._learnt(statement, code, key)

    def _learnt(self, statement: str, code: bytes, key: bytes) -> Shape:
        if _TRICKY.search(key) or any(part.count(b'"') % 2 for part in key.split(b"'")):
            return self._remembered(self._tricky, statement, statement)
        known = self._known.get(key)
        if known is None:
            known = (_digits_of_names(key), {})
            if len(key) <= _LONGEST:
                _room(self._known)[key] = known
        digits, shapes = known
        numberless = code if _QUOTED_NUMBER.search(code) else _NUMBERS.sub(b"0", code)
        shape = self._remembered(self._numberless, numberless, statement)
        shapes[digits(code) if digits else None] = shape
        return shape

    def _remembered(self, memory: dict[Key, Shape], key: Key, statement: str) -> Shape:
        shape = memory.get(key)
        if shape is None:
            shape = self.of(normalised(true_text(statement)))
            if len(key) <= _LONGEST:
                _room(memory)[key] = shape
        return shape

    def of(self, text: str) -> Shape:
        """The shape with this text."""
        return self.get(text) or self.setdefault(text, Shape(text))

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuilt, (list(self.values()),))


def true_text(words: str) -> str:
    """Text that was read as Latin-1, in the encoding it has."""
    if words.isascii():
        return words
    try:
        return words.encode("latin-1").decode()
    except UnicodeError:
        return words


def _rebuilt(shapes: list[Shape]) -> Shapes:
    found = Shapes()
    found.update({shape.text: shape for shape in shapes})
    return found


def _room(memory: dict[Any, Any]) -> dict[Any, Any]:
    """The memory with room for one more; a full one starts anew, which costs time and nothing else."""
    if len(memory) >= _MOST:
        memory.clear()
    return memory


def _digits_of_names(key: bytes) -> Callable[[bytes], Any] | None:
    places = [slice(*found.span()) for found in _NAMES.finditer(key) if b"0" in found[0]]
    return itemgetter(*places) if places else None
