"""What PostgreSQL's own grammar says of a statement, where its parser is installed (the extra ``statements``).

The shapes that reach it are few: what differs in values only was merged before. It merges what differs in case, in
aliases, in the length of lists, in parentheses.
"""

from __future__ import annotations

import functools
import re
import zlib
from typing import Any

from runbook.targets.sql_text import Token, tokens

_NUMBER = re.compile(r"\d\d")
_BEFORE_TABLE = frozenset(("from", "join", "into", "update", "only", "table"))
_NO_TABLE = frozenset(("select", "lateral", "only", "unnest", "generate_series", "values", "set", "current", "where"))


@functools.cache
def _library() -> Any:
    try:
        import postgast
    except (ImportError, OSError):
        return None
    return postgast


def available() -> bool:
    """Whether the parser is installed."""
    return _library() is not None


def fingerprint(*texts: str) -> str | None:
    """The grammar's fingerprint of the first of the texts that it understands; None where it is none.

    libpg_query leaves out what it takes for the numbers of partitions: here ``tbae001`` and ``tbae002`` are two tables.
    """
    library = _library()
    if library is None:
        return None
    for text in texts:
        try:
            found = str(library.fingerprint(text).hex)
        except (library.PgQueryError, ValueError):
            continue
        numbered = sorted({token.name for token in tokens(text) if token.name and _NUMBER.search(token.name)})
        return found + (f".{zlib.crc32(' '.join(numbered).encode('utf-8', 'replace')):08x}" if numbered else "")
    return None


def tables(text: str) -> tuple[str, ...]:
    """The tables that a statement names, by the grammar or else by the words before them; names of WITH left out."""
    library = _library()
    if library is not None:
        try:
            return _by_grammar(library, text)
        except (library.PgQueryError, ValueError):
            pass
    return _by_words(text)


def _by_grammar(library: Any, text: str) -> tuple[str, ...]:
    tree = library.parse(text)
    made = {with_.ctename for with_ in library.find_nodes(tree, library.pg_query_pb2.CommonTableExpr)}
    found = dict.fromkeys(library.extract_tables(tree))
    return tuple(name for name in found if name not in made)


def _by_words(text: str) -> tuple[str, ...]:
    words = list(tokens(text))
    found: dict[str, None] = {}
    for at, token in enumerate(words[1:], 1):
        if words[at - 1].is_word(*_BEFORE_TABLE) and token.name is not None and token.name not in _NO_TABLE:
            found[_qualified(words[at:])] = None
    return tuple(found)


def _qualified(words: list[Token]) -> str:
    """``schema.table`` where the words begin with it."""
    parts = [words[0].name or ""]
    rest = words[1:]
    while len(rest) >= 2 and rest[0].text == "." and rest[1].name is not None:
        parts.append(rest[1].name)
        rest = rest[2:]
    return ".".join(parts)
