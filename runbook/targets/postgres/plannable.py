"""A statement in the form in which the reader may ask the planner about it.

The reader has no right to change a row, and the planner checks rights: so an UPDATE or DELETE is planned as the
SELECT that finds its rows, which is where its time goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from runbook.targets.sql_text import Token, tokens

_CHANGES = ("insert", "update", "delete", "merge")
_TYPED = ("interval", "timestamp", "timestamptz", "date", "time")


def plannable(statement: str, schema: str) -> str | None:
    """The statement as one SELECT with parameters ``$1`` … in order, its tables without ``schema``.

    None for what looks nothing up, and for what is more than one statement or changes data inside a WITH.
    """
    words = list(_without_locks(list(tokens(statement))))
    while words and words[-1].text == ";":
        words.pop()
    if not words or any(word.text == ";" for word in words):
        return None
    found = _as_select(words)
    return _written(_without_schema(found, schema)) if found else None


def parameter_count(plannable: str) -> int:
    """How many values a plannable statement takes."""
    return max((int(word.text[1:]) for word in tokens(plannable) if word.kind == "parameter"), default=0)


def _as_select(words: Sequence[Token]) -> list[Token] | None:
    """By the first verb outside all parentheses; what stands before it is a WITH and stays."""
    depths = list(_depths(words))
    if any(word.is_word(*_CHANGES) and depth for word, depth in zip(words, depths, strict=True)):
        return None
    verb = next((at for at, word in enumerate(words) if not depths[at] and word.is_word("select", *_CHANGES)), None)
    if verb is None or not words[0].is_word("with", "select", *_CHANGES):
        return None
    parts = _parts(words, depths, verb)
    match words[verb].text.lower():
        case "select":
            return list(words)
        case "update" if "set" in parts:
            tables = [parts["update"], parts.get("from", [])]
        case "delete" if "from" in parts:
            tables = [parts["from"], parts.get("using", [])]
        case "insert" if "select" in parts:
            start = next(at for at, word in enumerate(words) if at > verb and not depths[at] and word.is_word("select"))
            return [*words[:verb], *_until(words, depths, start, ("on", "returning"))]
        case _:
            return None
    return [*words[:verb], *_select_from(tables, parts.get("where", []))]


def _parts(words: Sequence[Token], depths: Sequence[int], verb: int) -> dict[str, list[Token]]:
    """The words behind each key word outside parentheses, from the verb on."""
    parts: dict[str, list[Token]] = {}
    current: list[Token] = []
    for word, depth in zip(words[verb:], depths[verb:], strict=True):
        if not depth and word.is_word("update", "set", "from", "using", "where", "returning", "select"):
            current = parts.setdefault(word.text.lower(), [])
        else:
            current.append(word)
    return parts


def _select_from(tables: Iterable[list[Token]], where: list[Token]) -> Iterator[Token]:
    yield from (Token("word", "SELECT"), Token("number", "1"), Token("word", "FROM"))
    for number, table in enumerate(filter(None, tables)):
        if number:
            yield Token("sign", ",")
        yield from table
    if where:
        yield from (Token("word", "WHERE"), *where)


def _until(words: Sequence[Token], depths: Sequence[int], start: int, stops: tuple[str, ...]) -> list[Token]:
    """INSERT … SELECT ends where ON CONFLICT or RETURNING begins; the ON of a join has no CONFLICT behind it."""
    for at in range(start, len(words)):
        conflict = words[at].is_word("on") and at + 1 < len(words) and words[at + 1].is_word("conflict")
        if not depths[at] and (conflict or words[at].is_word("returning")):
            return list(words[start:at])
    return list(words[start:])


def _depths(words: Iterable[Token]) -> Iterator[int]:
    depth = 0
    for word in words:
        depth -= word.text == ")"
        yield depth
        depth += word.text == "("


def _without_locks(words: Sequence[Token]) -> Iterator[Token]:
    """FOR UPDATE and its kin need a right that the reader has not, and change no plan."""
    locking = False
    for at, word in enumerate(words):
        if word.is_word("for") and at + 1 < len(words) and words[at + 1].is_word("update", "share", "no", "key"):
            locking = True
        elif locking and (word.text in (")", ";") or word.is_word("limit", "offset", "union")):
            locking = False
        if not locking:
            yield word


def _without_schema(words: Sequence[Token], schema: str) -> Iterator[Token]:
    skip = False
    for at, word in enumerate(words):
        qualifies = word.name == schema and at + 1 < len(words) and words[at + 1].text == "."
        if not qualifies and not skip:
            yield word
        skip = qualifies


def numbered(words: Iterable[Token]) -> str:
    """The words of a question as one line, its parameters numbered anew."""
    return _written(words)


def _written(words: Iterable[Token]) -> str:
    """One line of SQL; parameters are numbered anew, and ``interval $1`` becomes a cast: only literals may stand so."""
    numbers: dict[str, int] = {}
    written: list[str] = []
    for word in words:
        if word.kind != "parameter":
            written.append(word.text)
            continue
        new = f"${numbers.setdefault(word.text, len(numbers) + 1)}"
        kind = written.pop() if written and written[-1].lower() in _TYPED else None
        written.append(f"{new}::{kind}" if kind else new)
    return " ".join(written)
