"""The language of the command line itself: help and messages that are said before any report is made.

Spanish unless ``--lang en``, ``$MUSES_RUNBOOK_LANG`` or an English locale asks for English. Reports have their own,
richer way (``reports.language``) over the same catalogue.
"""

from __future__ import annotations

import functools
import gettext
import os
import sys
from pathlib import Path

from runbook.text import Text

CATALOGUES = Path(__file__).resolve().parent.parent / "reports" / "locale"


def _(english: str) -> str:
    """A fixed phrase in the language of the command line."""
    return _catalogue(spoken()).gettext(english) if english else ""


def told(said: Text) -> str:
    """A filled phrase in the language of the command line."""
    if spoken() == "es" and said.spanish is not None:
        return said.spanish
    return str(Text(_(said.template), said.values))


def spoken() -> str:
    """``es`` or ``en``."""
    return asked_for() or ("en" if _locale().startswith("en") else "es")


def asked_for() -> str | None:
    """The language that ``--lang`` or the variable asks for; None where neither does."""
    return _in_arguments(tuple(sys.argv)) or os.environ.get("MUSES_RUNBOOK_LANG") or None


@functools.cache
def _in_arguments(arguments: tuple[str, ...]) -> str | None:
    for option, value in zip(arguments, (*arguments[1:], ""), strict=True):
        language = option.removeprefix("--lang=") if option.startswith("--lang=") else value
        if option.startswith("--lang") and language in ("es", "en"):
            return language
    return None


def _locale() -> str:
    return next((os.environ[n] for n in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(n)), "")


@functools.cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("muses", CATALOGUES, languages=[language], fallback=True)
