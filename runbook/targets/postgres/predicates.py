"""Which columns a statement looks rows up by, as far as its words tell.

No parser: every column found here is only a question to the planner, whose answer decides. What is missed is not
proposed; what is misread helps no plan and is not proposed either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runbook.targets.sql_text import Token, tokens

_COMPARES = {"=": "equal", "<": "range", ">": "range", "<=": "range", ">=": "range"}
_KEY_WORDS = """
as on using where set values select from join inner left right full cross natural lateral order group having limit
offset union except intersect for returning only and or not when then else end is in between like default
"""
_NOT_A_NAME = frozenset(_KEY_WORDS.split())
_ENDS_A_LIST = ("where", "group", "order", "having", "limit", "union", "except", "intersect", "returning", "on", "set")
_MOST_ORDERED = 2


@dataclass
class Lookups:
    """The columns of one table by how the statement uses them, each once, in order of appearance."""

    equal: list[str] = field(default_factory=list)
    range: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    #: Columns that are one of several ways, under an OR: each is looked up by itself.
    alone: list[str] = field(default_factory=list)
    #: Columns that the words themselves hold to some values: ``NOT told``, ``left_at IS NULL``.
    fixed: list[tuple[str, tuple[int | str | bool, ...]]] = field(default_factory=list)

    def add(self, how: str, column: str) -> None:
        """Keep a column; one that is looked up by equality is nothing else besides."""
        kept: list[str] = getattr(self, how)
        if column not in kept:
            kept.append(column)

    def note(self, how: str, column: str) -> None:
        """Keep a use as :func:`_uses` tells it; what is held to a value is compared by equality, too."""
        held = {"null": (), "true": (True,), "false": (False,)}.get(how)
        if held is not None and (column, held) not in self.fixed:
            self.fixed.append((column, held))
        self.add(how if held is None else "equal", column)

    def candidates(self, distinct: dict[str, float]) -> list[tuple[str, ...]]:
        """The column lists worth asking about, fewest columns first; the most selective column leads."""
        equal = sorted(self.equal, key=lambda column: -distinct.get(column, 0.0))[:3]
        tails = [(), *((column,) for column in self.range if column not in equal)][:3]
        lists = [(column,) for column in equal] + [(*equal, *tail) for tail in tails]
        lists += [tuple(self.order), (*equal, *(c for c in self.order if c not in equal))]
        lists += [(column,) for column in (*self.range, *self.alone)]
        return sorted(dict.fromkeys(filter(None, lists)), key=len)


def lookups(statement: str, columns: Mapping[str, Iterable[str]]) -> dict[str, Lookups]:
    """By table (of those in ``columns``) the columns that the statement compares, joins and sorts by."""
    words = list(tokens(statement))
    names = dict(_tables(words))
    has = {table: set(columns[table]) for table in set(names.values()) if table in columns}
    found = {table: Lookups() for table in has}
    for how, qualifier, column in _uses(words):
        asked = [names[qualifier]] if qualifier in names else [] if qualifier else list(has)
        for table in asked:
            if column in has.get(table, ()):
                found[table].note(how, column)
    return found


def assigned(statement: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(table, columns) of every UPDATE … SET of a statement."""
    words = list(tokens(statement))
    for at, word in enumerate(words):
        chain, after = _chain(words, at + 1 + _says(words, at + 1, "only")) if word.is_word("update") else ([], 0)
        if chain:
            start = next((n for n in range(after, min(after + 3, len(words))) if words[n].is_word("set")), None)
            yield chain[-1], tuple(_set(words, start + 1)) if start is not None else ()


def _set(words: Sequence[Token], at: int) -> Iterator[str]:
    """The names before each = outside parentheses, up to FROM, WHERE or RETURNING."""
    depth = 0
    for place in range(at, len(words)):
        depth += (words[place].text == "(") - (words[place].text == ")")
        if not depth and words[place].is_word("from", "where", "returning"):
            return
        if not depth and words[place].text == "=" and (name := _name(words, place - 1)):
            yield name


def _tables(words: Sequence[Token]) -> Iterator[tuple[str, str]]:
    """(name in the statement, table) of everything that stands where a table may stand."""
    listing: list[bool] = [False]
    for at, word in enumerate(words):
        if word.text == "(":
            listing.append(False)
        elif word.text == ")" and len(listing) > 1:
            listing.pop()
        elif word.is_word("from", "join", "update", "into", "using"):
            listing[-1] = True
            yield from _table(words, at + 1)
        elif word.text == "," and listing[-1]:
            yield from _table(words, at + 1)
        elif word.is_word(*_ENDS_A_LIST):
            listing[-1] = False


def _table(words: Sequence[Token], at: int) -> Iterator[tuple[str, str]]:
    if at < len(words) and words[at].is_word("only"):
        at += 1
    chain, after = _chain(words, at)
    if not chain:
        return
    after += after < len(words) and words[after].is_word("as")
    alias = _name(words, after)
    yield (alias or chain[-1]), chain[-1]


def _chain(words: Sequence[Token], at: int) -> tuple[list[str], int]:
    """The names of ``a.b.c`` that begin at a word, and where they end."""
    chain: list[str] = []
    while (name := _name(words, at)) is not None:
        chain.append(name)
        if at + 1 >= len(words) or words[at + 1].text != ".":
            return chain, at + 1
        at += 2
    return chain, at


def _name(words: Sequence[Token], at: int) -> str | None:
    if not 0 <= at < len(words):
        return None
    name = words[at].name
    return None if words[at].kind == "word" and name in _NOT_A_NAME else name


def _uses(words: Sequence[Token]) -> Iterator[tuple[str, str | None, str]]:
    """(how, qualifier, column) of every column that is compared or sorted by."""
    assigning = False
    for at, word in enumerate(words):
        if word.is_word("set"):
            assigning = True
        elif word.is_word("where", "from", "returning"):
            assigning = False
        if word.text in _COMPARES and not assigning:
            yield from _sides(words, at, _COMPARES[word.text])
        elif word.is_word("in", "between"):
            yield from _left(words, at, "range" if word.is_word("between") else "equal")
        elif word.is_word("is") and at + 1 < len(words) and words[at + 1].is_word("null", "true", "false"):
            yield from _left(words, at, words[at + 1].text.lower())
        elif word.is_word("not"):
            yield from _denied(words, at + 1)
        elif word.is_word("using") and _says(words, at + 1, "("):
            yield from _joined(words, at + 2)
        elif word.is_word("by") and words[at - 1].is_word("order"):
            yield from _ordered(words, at + 1)


def _sides(words: Sequence[Token], at: int, how: str) -> Iterator[tuple[str, str | None, str]]:
    yield from _left(words, at, how)
    chain, after = _chain(words, at + 1)
    if chain and not _says(words, after, "("):
        yield how, *_qualified(chain)


def _left(words: Sequence[Token], at: int, how: str) -> Iterator[tuple[str, str | None, str]]:
    """The column that ends just before a word, unless it is the tail of a cast or of an expression."""
    start = at - 1
    while start >= 2 and words[start - 1].text == ".":
        start -= 2
    chain, after = _chain(words, start)
    if chain and after == at and not _says(words, start - 1, "::"):
        yield how, *_qualified(chain)


def _denied(words: Sequence[Token], at: int) -> Iterator[tuple[str, str | None, str]]:
    """``NOT column``, where nothing is done with the column."""
    chain, after = _chain(words, at)
    ends = after >= len(words) or words[after].text == ")" or words[after].is_word("and", "or", *_ENDS_A_LIST)
    if chain and ends:
        yield "false", *_qualified(chain)


def _joined(words: Sequence[Token], at: int) -> Iterator[tuple[str, str | None, str]]:
    while (name := _name(words, at)) is not None:
        yield "equal", None, name
        at += 2


def _ordered(words: Sequence[Token], at: int) -> Iterator[tuple[str, str | None, str]]:
    for _ in range(_MOST_ORDERED):
        chain, at = _chain(words, at)
        if not chain or _says(words, at, "(") or _says(words, at, "::"):
            return
        yield "order", *_qualified(chain)
        if at < len(words) and words[at].is_word("asc", "desc"):
            at += 1
        if not _says(words, at, ","):
            return
        at += 1


def _qualified(chain: list[str]) -> tuple[str | None, str]:
    return (chain[-2] if len(chain) > 1 else None), chain[-1]


def _says(words: Sequence[Token], at: int, text: str) -> bool:
    return 0 <= at < len(words) and words[at].text.lower() == text
