"""The run's events by day, in the site's zone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

import msgspec

from reports.clean import label, shortened
from reports.language import Language
from reports.panel import NAME
from runbook.model import Event

PARAGRAPH = 400
#: Kinds of events that tell how a row stands.
_MARKS = {
    "CRITICAL": "critical",
    "WARNING": "warning",
    "UNKNOWN": "unknown",
    "fixed": "fixed",
    "not fixed": "critical",
    "not proven": "unknown",
    "failed": "critical",
    "refused": "critical",
}


class Entry(msgspec.Struct, frozen=True):
    """One line of the timeline; ``after`` is the time since the run began, ``mark`` a standing's name or empty."""

    clock: str
    iso: str
    after: str
    mark: str
    row: str
    what: str


class Day(msgspec.Struct, frozen=True):
    """The entries of one date in the site's zone."""

    date: str
    offset: str
    entries: tuple[Entry, ...]


def timeline(events: Sequence[Event], began: datetime, language: Language) -> tuple[Day, ...]:
    """Events in order of time as days; ``began`` is what "+3 s" counts from."""
    by_day = groupby(events, key=lambda event: (language.date(event.at), language.offset(event.at)))
    return tuple(
        Day(date, offset, tuple(_entry(event, began, language) for event in group)) for (date, offset), group in by_day
    )


def _entry(event: Event, began: datetime, language: Language) -> Entry:
    return Entry(
        clock=language.clock(event.at),
        iso=language.local(event.at).isoformat(timespec="milliseconds"),
        after="" if event.at < began else "+" + language.duration(event.at - began),
        mark=_MARKS.get(event.kind, ""),
        row=label(event.row, NAME),
        what=shortened(language.say(event.what), PARAGRAPH),
    )
