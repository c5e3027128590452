"""The statements of the scripts that PostgreSQL's programs write, one by one: psql would run more than SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: psql's own commands, literals, names, comments; what ends a statement; and all the rest.
_PARTS = re.compile(
    r"""(?P<skipped>(?m:^)\\[^\n]*|--[^\n]*)|(?P<end>;)|E'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|[^;'"\\E-]+|.""",
    re.DOTALL,
)


def statements(script: str) -> Iterator[str]:
    """Each statement without its end, without comments and without psql's own commands."""
    statement: list[str] = []
    for part in _PARTS.finditer(script):
        if part["end"]:
            if words := "".join(statement).strip():
                yield words
            statement = []
        elif not part["skipped"]:
            statement.append(part[0])
    if words := "".join(statement).strip():
        yield words
