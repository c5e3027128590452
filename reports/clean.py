"""Outside text made harmless: control characters, and everything that must be masked, finite and aware on its way out.

A log line, a queue's name or a driver's message reaches a terminal, a browser and a ticket from here; each format
escapes for its own syntax, and all of them start from text that holds no escape sequence and turns no line around.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

import msgspec

from runbook.redact import masked
from runbook.text import Quantity, Text

T = TypeVar("T")

#: CSI, terminated OSC/DCS strings, and two-character escapes. An unterminated string loses only its introducer:
#: the rest of a hostile line is still evidence.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|\x1b[@-_]"
)
#: Controls, line separators, bidirectional overrides, lone surrogates: shown as U+FFFD, so that their presence shows.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
#: Characters looked at of one word from outside: a line of a megabyte must not cost a minute of masking.
LONGEST = 4_000
#: Characters looked at beyond what is shown: cut in two, a datum is none that a mask knows.
_BEYOND = 300
_SURROGATES = re.compile("[\ud800-\udfff]")
_MARK = "\ufffd"


def printable(words: str) -> str:
    """The words without escape sequences, with a mark for each unseen character; tab and newline stay."""
    if words.isprintable():
        return words
    plain = _ESCAPES.sub("", words).replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub(_MARK, plain)


def harmless(words: str) -> str:
    """Outside words as a report may show them: masked once more, then printable, no longer than anybody reads."""
    if len(words) <= LONGEST:
        return printable(str(masked(words)))
    return printable(str(masked(words[: LONGEST + _BEYOND]))[:LONGEST] + "…")


def label(words: str, limit: int) -> str:
    """Outside words on one line of at most ``limit`` characters."""
    # Four times as much is looked at as is shown, so that no mask is cut in two.
    return shortened(one_line(harmless(words[: 4 * limit])), limit)


def file_stem(run: str) -> str:
    """The name of a run's files: its id, without anything a folder could take for its own."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", str(masked(run))).strip("-")[:80] or "run"


def one_line(words: str) -> str:
    """Printable words with every run of white space as one blank."""
    return " ".join(printable(words).split())


def shortened(words: str, limit: int) -> str:
    """At most ``limit`` characters and an ellipsis: one hostile line must not make a report of 100 MB."""
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


def outgoing(value: T) -> T:
    """The same run, record or value, fit to leave: masked again, finite, in Unicode, with aware times.

    For what is stored; a report masks what it shows, as it shows it. Strings inside our own types are masked one by
    one, free-form dictionaries as a whole: masking also knows the keys of personal data, and must not mistake our own
    field names for them.
    """
    return _way_of(type(value))(value)  # type: ignore[no-any-return]


def _way_of(kind: type) -> Callable[[Any], Any]:
    way = _WAYS.get(kind)
    if way is None:
        way = _WAYS[kind] = _struct if issubclass(kind, msgspec.Struct) else _as_it_is
    return way


def _struct(value: Any) -> Any:
    changed = {}
    for name in value.__struct_fields__:
        old = getattr(value, name)
        new = outgoing(old)
        if new is not old:
            changed[name] = new
    return msgspec.structs.replace(value, **changed) if changed else value


def _text(value: Text) -> Text:
    # The template is our own wording: only what fills it came from outside.
    values = {name: outgoing(given) for name, given in value.values.items()}
    template, spanish = _whole(value.template), None if value.spanish is None else _whole(value.spanish)
    same = all(values[name] is given for name, given in value.values.items())
    if same and (template, spanish) == (value.template, value.spanish):
        return value
    return Text(template, values, spanish)


def _quantity(value: Quantity) -> Quantity | str:
    # JSON has no infinity: as null the stored run could not be read back. A whole number is written as the float it
    # is read back as, so that the same run always gives the same bytes.
    if not math.isfinite(value.value):
        return f"{value.value} {value.unit}"
    return value if isinstance(value.value, float) else Quantity(float(value.value), value.unit)


def _string(value: str) -> str:
    return str(masked(_whole(value)))


def _whole(value: str) -> str:
    return value if value.isascii() else _SURROGATES.sub(_MARK, value)


def _free_form(value: Any) -> Any:
    return masked(_json(value))


def _json(value: Any) -> Any:
    match value:
        case str() if not isinstance(value, Enum):
            return _whole(value)
        case dict():
            return {_whole(str(key)): _json(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_json(inner) for inner in value]
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return outgoing(value)


def _tuple(value: tuple[Any, ...]) -> tuple[Any, ...]:
    new = tuple(map(outgoing, value))
    return value if all(a is b for a, b in zip(value, new, strict=True)) else new


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _as_it_is(value: Any) -> Any:
    return value


_WAYS: dict[type, Callable[[Any], Any]] = {
    str: _string,
    tuple: _tuple,
    dict: _free_form,
    list: _free_form,
    datetime: _aware,
    Text: _text,
    Quantity: _quantity,
}
