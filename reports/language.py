"""Text as people read it: translated, its values written out, its times in the site's zone.

Nothing else translates what a run holds; the command line's own words are ``runbook.tongue``'s. A ``Text`` is English
with fields until it comes here, so that a stored run renders in either language long after it was made.
"""

from __future__ import annotations

import functools
import gettext
import re
import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import date as Date
from pathlib import Path

import msgspec

from reports import amounts
from reports.clean import harmless, printable
from reports.nouns import FORMS
from runbook.errors import ReportError
from runbook.text import Instant, Quantity, Text, Value, text

DOMAIN = "muses"
LOCALE = Path(__file__).parent / "locale"
CODES = ("es", "en")

#: A field of a template. A conversion or a format is read over: how a value is written is the language's business,
#: and attribute access in a template from a stored run must reach nothing.
FIELD = re.compile(r"\{\{|\}\}|\{(\w+)(?:![rsa])?(?::[^{}]*)?\}")
_MONTHS = {
    "es": ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}


class Language(msgspec.Struct, frozen=True):
    """How one reader is spoken to: a language (``es`` or ``en``) and the site's time zone.

    Raises ReportError for a language there is no catalogue for; an unknown zone is read as UTC, and every time is
    shown with its offset, so that it is never wrong. ``space`` stands within an amount: a page that wraps lines
    gives a no-break one, so that ``40 s`` stays whole.
    """

    code: str = "es"
    timezone: str = "America/Mexico_City"
    space: str = " "

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ReportError(text("No language {code}: there are {known}", code=self.code, known=", ".join(CODES)))

    def say(self, words: Text | None) -> str:
        """The text in this language, its values filled in, harmless; empty for None."""
        if words is None:
            return ""
        if self.code == "es" and words.spanish is not None:
            return self._filled(words.spanish, words.values)
        return self._filled(self._translated(words.template), words.values)

    def word(self, template: str, /, **values: object) -> str:
        """Say a wording of the reports' own: ``word("and {count} more", count=3)``."""
        return self.say(text(template, **values))

    def plural(self, one: str, many: str, count: int, /, **values: object) -> str:
        """Say a wording that agrees with ``count``, which fills its ``{count}``."""
        found = _catalogue(self.code).ngettext(one, many, count)
        return self._filled(found, text(many, count=count, **values).values)

    def value(self, given: Value) -> str:
        """A value as it stands in a sentence or a table."""
        match given:
            case None:
                return "—"
            case bool():
                return self.word("yes") if given else self.word("no")
            case int() | float():
                return amounts.number(given)
            case Quantity():
                return self._quantity(given)
            case Instant(at=at):
                return self.moment(at)
            case _:
                return harmless(str(given))

    def duration(self, span: timedelta) -> str:
        """``12 min 30 s``."""
        return self._whole(amounts.duration(span.total_seconds()))

    def moment(self, at: datetime) -> str:
        """Date, time and offset in the site's zone: ``24 nov 2026, 08:31:05 UTC-06:00``."""
        return f"{self.date(at)}, {self.clock(at)}{self.space}{self.offset(at)}"

    def date(self, at: datetime) -> str:
        """``24 nov 2026``."""
        local = self.local(at)
        return self._whole(f"{local.day} {_MONTHS[self.code][local.month - 1]} {local.year}")

    def day(self, day: Date) -> str:
        """A day that has no time: ``24 nov 2026``."""
        return self._whole(f"{day.day} {_MONTHS[self.code][day.month - 1]} {day.year}")

    def clock(self, at: datetime) -> str:
        """``08:31:05``; the offset stands beside it or over the column."""
        return f"{self.local(at):%H:%M:%S}"

    def offset(self, at: datetime) -> str:
        """``UTC-06:00``."""
        digits = f"{self.local(at):%z}"
        return f"UTC{digits[:3]}:{digits[3:5]}"

    def local(self, at: datetime) -> datetime:
        """The moment in the site's zone; a naive one is taken for UTC."""
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(_zone(self.timezone))

    def _quantity(self, given: Quantity) -> str:
        amount, unit = given.value, given.unit
        if unit == "s":
            return self._whole(amounts.duration(amount))
        if unit == "B":
            return self._whole(amounts.size(amount))
        if unit == "%":
            return self._whole(f"{amounts.number(amount)}{' ' if self.code == 'es' else ''}%")
        if unit.startswith("1/"):
            return f"{amounts.number(amount)}/{harmless(unit[2:])}"
        return self._whole(f"{amounts.number(amount)} {self._noun(unit, amount)}".rstrip())

    def _whole(self, amount: str) -> str:
        return amount.replace(" ", self.space)

    def _noun(self, unit: str, amount: float) -> str:
        if unit not in FORMS:
            return harmless(unit)
        one, many = FORMS[unit]
        return _catalogue(self.code).ngettext(one, many, 1 if amount == 1 else 2)

    def _translated(self, template: str) -> str:
        # gettext answers the empty string with the catalogue's own header.
        return _catalogue(self.code).gettext(template) if template else ""

    def _filled(self, template: str, values: dict[str, Value]) -> str:
        def fill(match: re.Match[str]) -> str:
            if match[1] is None:
                return match[0][0]
            return self.value(values[match[1]]) if match[1] in values else match[0]

        return printable(FIELD.sub(fill, template))


def fields(template: str) -> frozenset[str]:
    """The names of a template's fields."""
    return frozenset(match[1] for match in FIELD.finditer(template) if match[1])


@functools.cache
def _catalogue(code: str) -> gettext.NullTranslations:
    if code == "en":
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, LOCALE, languages=[code], fallback=True)


@functools.cache
def _zone(name: str) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
