"""Translatable text: an English template plus its values.

Nothing is translated when it is said, only when it is shown: a stored run renders in either language.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec


class Quantity(msgspec.Struct, frozen=True, tag="quantity"):
    """A number with its unit: ``s``, ``B``, ``%``, ``1/s``, ``1/min`` or a countable noun in English."""

    value: float
    unit: str


class Instant(msgspec.Struct, frozen=True, tag="instant"):
    """A moment, aware and in UTC; shown in the site's zone."""

    at: datetime


Value = str | int | float | bool | None | Quantity | Instant


class Text(msgspec.Struct, frozen=True):
    """``template`` is English with ``{name}`` fields; ``values`` fill them.

    ``spanish`` is set where the wording is the team's own (row titles, causes): no catalogue holds those.
    """

    template: str
    values: dict[str, Value] = {}
    spanish: str | None = None

    def __str__(self) -> str:
        """The English, filled in plainly: for errors, logs and tests; people are shown ``reports.language``."""
        return self.template.format_map({name: _plain(v) for name, v in self.values.items()})


def text(template: str, /, **values: object) -> Text:
    """Say something translatable: ``text("{queue} grows by {rate}", queue=q.name, rate=per_minute(12))``.

    ``timedelta`` becomes a Quantity in seconds and ``datetime`` an Instant; anything unknown its ``str``.
    A field that the template lacks, or the reverse, raises ``ValueError`` where it was written.
    """
    filled = {name: _value(v) for name, v in values.items()}
    _check_fields(template, filled)
    return Text(template, filled)


def verbatim(words: str) -> Text:
    """Words from outside (a log line, a driver's message): never translated, braces kept as they are."""
    return Text("{words}", {"words": words})


def bilingual(english: str, spanish: str) -> Text:
    """A wording the team gave in both languages, such as a row's title."""
    return Text(english.replace("{", "{{").replace("}", "}}"), {}, spanish)


def size(count: float) -> Quantity:
    """Bytes."""
    return Quantity(float(count), "B")


def per_minute(rate: float) -> Quantity:
    """A rate per minute."""
    return Quantity(float(rate), "1/min")


def per_second(rate: float) -> Quantity:
    """A rate per second."""
    return Quantity(float(rate), "1/s")


def percent(share: float) -> Quantity:
    """A percentage, 0 to 100."""
    return Quantity(float(share), "%")


def _value(given: object) -> Value:
    if given is None or isinstance(given, str | int | float | bool | Quantity | Instant):
        return given
    if isinstance(given, timedelta):
        return Quantity(given.total_seconds(), "s")
    if isinstance(given, datetime):
        return Instant(given)
    return str(given)


def _check_fields(template: str, values: Mapping[str, Value]) -> None:
    try:
        template.format_map(dict(values))
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"template {template!r} does not fit values {sorted(values)}") from error


def _plain(value: Value) -> str:
    match value:
        case Quantity(value=number, unit=unit):
            return f"{number:g} {unit}" if unit != "%" else f"{number:g}%"
        case Instant(at=at):
            return at.isoformat(timespec="seconds")
        case float():
            return f"{value:g}"
        case _:
            return str(value)
