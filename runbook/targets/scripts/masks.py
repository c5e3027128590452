"""Which columns of a result hold data of persons, whatever they are called there.

By the column's own name, by the name of the table's column it comes from, which the server tells, and by the words it
is made of: ``nombre || ' ' || primer_apellido AS quien`` is a name. Where the words cannot be matched with the columns,
what is text and of unknown origin counts as personal as soon as the statement names anything that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from runbook.redact import is_personal
from runbook.targets.sql_text import Token, tokens

#: Types whose values are numbers, truths or times (by the server's OIDs): a count of names is no name.
_PLAIN_TYPES = frozenset({16, 20, 21, 23, 26, 700, 701, 1700, 790, 1082, 1083, 1114, 1184, 1186, 1266, 2950})
#: Lists of a statement that are looked at: where there are more, nobody can tell.
_MOST_LISTS = 200
_ENDS_LIST = (
    "select",
    "from",
    "where",
    "group",
    "having",
    "window",
    "union",
    "intersect",
    "except",
    "order",
    "limit",
    "into",
)
_RENAMING = re.compile(
    r"(?:\)\s*(?:as\s+)?|\bwith\s+(?:recursive\s+)?|,\s*)\"?\w+\"?\s*\([^()]*\)\s*(?:as\b|$)", re.IGNORECASE
)
_Item = Sequence[Token]


class Column(msgspec.Struct, frozen=True):
    """One column of a result; ``origin`` is the column of a table that it shows unchanged, None where it is made."""

    name: str
    type: int
    origin: str | None = None


def personal(statement: str, columns: Sequence[Column], also: frozenset[str] = frozenset()) -> frozenset[int]:
    """The places of the columns that hold data of persons; ``also`` are more names of such columns, in lower case."""
    return _Look(statement, also).places(columns)


class _Look:
    def __init__(self, statement: str, also: frozenset[str]) -> None:
        self._also = also
        words = list(tokens(statement))
        self._renames = bool(_RENAMING.search(" ".join(word.text for word in words)))
        self._lists = list(islice(_lists(words), _MOST_LISTS + 1))
        self._renames |= len(self._lists) > _MOST_LISTS
        self._mentions = any(self._is_personal(word.name) for word in words)
        self._tainted: frozenset[str] = frozenset()
        self._taint()

    def places(self, columns: Sequence[Column]) -> frozenset[int]:
        return frozenset(place for place, column in enumerate(columns) if self._hidden(place, column, len(columns)))

    def _hidden(self, place: int, column: Column, count: int) -> bool:
        if self._is_personal(column.name) or self._is_personal(column.origin):
            return True
        if column.origin is not None or column.type in _PLAIN_TYPES or not self._mentions:
            return False
        items = [found[place] for depth, found in self._lists if depth == 0 and len(found) == count]
        arms = [found for depth, found in self._lists if depth == 0]
        if not items or len(items) < len(arms) or any(word.text == "*" for item in items for word in item):
            return True
        return any(self._speaks(item) for item in items)

    def _speaks(self, item: _Item) -> bool:
        """Whether an item of a list is made of what is personal; of renamed columns nobody can say."""
        names = [word.name for word in item if word.name is not None]
        made = names[:-1] if _alias(item) else names
        return any(self._is_personal(name) or name in self._tainted for name in made) or (self._renames and bool(made))

    def _taint(self) -> None:
        """Find the names given to what is made of personal columns, at any depth, until there are no more."""
        while True:
            more = {
                alias
                for _, items in self._lists
                for item in items
                if (alias := _alias(item)) and self._speaks_of_names(item)
            }
            if more <= self._tainted:
                return
            self._tainted |= more

    def _speaks_of_names(self, item: _Item) -> bool:
        return any(self._is_personal(w.name) or w.name in self._tainted for w in item[:-1] if w.name is not None)

    def _is_personal(self, name: str | None) -> bool:
        return name is not None and (is_personal(name) or name.lower() in self._also)


def _lists(words: Sequence[Token]) -> Iterator[tuple[int, list[_Item]]]:
    """Every list of a SELECT with the depth at which it stands."""
    depth = 0
    for at, word in enumerate(words):
        depth += (word.text == "(") - (word.text == ")")
        if word.is_word("select"):
            yield depth, list(_items(words[at + 1 :]))


def _items(words: Sequence[Token]) -> Iterator[_Item]:
    item: list[Token] = []
    depth = 0
    for word in _without_distinct(words):
        depth += (word.text == "(") - (word.text == ")")
        if depth < 0 or (not depth and (word.is_word(*_ENDS_LIST) or word.text == ";")):
            break
        if not depth and word.text == ",":
            yield item
            item = []
        else:
            item.append(word)
    yield item


def _without_distinct(words: Sequence[Token]) -> Sequence[Token]:
    if not words or not words[0].is_word("distinct", "all"):
        return words
    if len(words) > 1 and words[1].is_word("on"):
        depth = 0
        for at, word in enumerate(words):
            depth += (word.text == "(") - (word.text == ")")
            if at > 1 and not depth:
                return words[at + 1 :]
    return words[1:]


def _alias(item: _Item) -> str | None:
    """The name that an item of more than one word is given, if it ends in one."""
    if len(item) < 2 or item[-1].name is None or item[-2].text == ".":
        return None
    before = item[-2]
    is_name = (
        before.is_word("as") or before.name is not None or before.kind in ("string", "number") or before.text in ")]"
    )
    return item[-1].name if is_name and not item[-1].is_word("end") else None
