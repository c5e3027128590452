"""A script as it is run: its steps, the values of its variables, and what names it in a record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

import msgspec

from runbook.targets.scripts.kinds import Kind, Step
from runbook.targets.scripts.reading import Command, Statement, filled, variables
from runbook.text import Text

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?\Z")
#: Before a variable of ours, these say that it is the name of a schema or a table.
_NAMES_FOLLOW = re.compile(r"(?:\.|\b(?:from|join|only|table)\s+)\Z", re.IGNORECASE)


class Script(msgspec.Struct, frozen=True):
    """A script of the team, taken apart. ``file`` is how a person finds it, ``digest`` the SHA-256 of its bytes.

    ``refusals`` say why it cannot be run; ``parameters`` are those it declares, with a default or None.
    """

    id: str
    file: str
    digest: str
    steps: tuple[Step, ...]
    refusals: tuple[Text, ...] = ()
    parameters: Mapping[str, str | None] = msgspec.field(default_factory=dict)
    timeout: timedelta | None = None

    @property
    def looks(self) -> bool:
        """Whether any statement of it can find something."""
        return any(step.kind in (Kind.ROWS, Kind.BLOCK) for step in self.steps)

    def variables(self) -> frozenset[str]:
        """The names that may be given from outside: declared, or used and not set by the script itself."""
        parts = [step.part for step in self.steps]
        used = {name for part in parts if isinstance(part, Statement) for name in variables(part.words)}
        own = {part.arguments[0] for part in parts if isinstance(part, Command) and part.name == "set" and part.words}
        return frozenset(self.parameters) | frozenset(name for name in used - own if not name.isdigit())


class Asked(msgspec.Struct, frozen=True):
    """A script with the values it is run with. ``column`` decides which rows are the worst; None where all count.

    Its ``repr`` names the request in a record: the same script with the same values is the same reading.
    """

    script: Script
    values: Mapping[str, str] = msgspec.field(default_factory=dict)
    column: str | None = None
    largest: bool = True

    def __repr__(self) -> str:
        given = "".join(f" {name}={value!r}" for name, value in sorted(self.values.items()))
        return f"{self.script.id} {self.script.digest[:12]}{given}"


class Variables:
    """The variables of one run: those given from outside, and those that the script sets itself."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given, self._own = dict(given), dict[str, str]()

    def set(self, name: str, value: str) -> None:
        """As ``\\set`` and ``\\gset`` do."""
        self._own[name] = value

    def unset(self, name: str) -> None:
        """As ``\\unset`` does."""
        self._own.pop(name, None)

    def has(self, name: str) -> bool:
        """Whether there is a value."""
        return name in self._own or name in self._given

    def into(self, words: str) -> str:
        """A statement with its values. What has none stays: ``a[1:n]`` is no variable."""
        return filled(words, self._one)

    def words(self, command: Command) -> str:
        """The value that ``\\set`` gives: its arguments behind the name, put together."""
        return "".join(filled(word, self._plain) for word in command.arguments[1:])

    def _plain(self, match: re.Match[str]) -> str | None:
        return self._value(match["plain"] or match["literal"] or match["identifier"])

    def _value(self, name: str | None) -> str | None:
        return None if name is None else self._own.get(name, self._given.get(name))

    def _one(self, match: re.Match[str]) -> str | None:
        if match["asked"] is not None:
            return "TRUE" if self.has(match["asked"]) else "FALSE"
        value = self._plain(match)
        if value is None:
            return None
        if match["literal"] is not None:
            return _literal(value)
        if match["identifier"] is not None:
            return _identifier(value)
        return value if match["plain"] in self._own else _by_place(value, match)


def _by_place(value: str, match: re.Match[str]) -> str:
    """A value from outside is never SQL: a name where a name stands, else a number or a quoted literal."""
    is_name = match.string[match.end() : match.end() + 1] == "." or _NAMES_FOLLOW.search(match.string, 0, match.start())
    if is_name:
        return _identifier(value)
    return value if _NUMBER.match(value) else _literal(value)


def _literal(value: str) -> str:
    from psycopg import sql

    return sql.Literal(value).as_string(None)


def _identifier(value: str) -> str:
    from psycopg import sql

    return sql.Identifier(*value.split(".")).as_string(None)
