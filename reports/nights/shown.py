"""What the index of the nights sets: words, marks, links and shapes, nothing left to work out."""

from __future__ import annotations

import msgspec

from reports.nights.geometry import Line
from reports.shown import Mark


class Day(msgspec.Struct, frozen=True):
    """A day of the calendar; without a night its ``name`` is empty."""

    number: int
    name: str
    shape: str
    words: str
    href: str


class Month(msgspec.Struct, frozen=True):
    """A month of the calendar; its first day stands in column ``first`` of 1 to 7, Monday first."""

    name: str
    first: int
    days: tuple[Day, ...]


class RowShown(msgspec.Struct, frozen=True):
    """A row over the nights. ``was`` is None unless it changed since the night before; ``strip`` has class and path."""

    row: str
    title: str
    mark: Mark
    was: Mark | None
    words: str
    nights: int
    strip: tuple[tuple[str, str], ...]
    value: str
    line: Line | None


class EnvironmentShown(msgspec.Struct, frozen=True):
    """One environment. ``silent`` is what is said once ``due`` is over; ``late`` says that it was when this was made.

    ``nights`` are those in each row's strip; ``unshown`` counts the rows that were always in order and do not fit.
    """

    anchor: str
    name: str
    mark: Mark
    counts: tuple[tuple[Mark, int], ...]
    last: str
    last_iso: str
    due: str
    due_iso: str
    silent: str
    late: bool
    said: str
    href: str
    compared: bool
    changed: tuple[RowShown, ...]
    months: tuple[Month, ...]
    nights: int
    troubled: tuple[RowShown, ...]
    skipped: tuple[RowShown, ...]
    steady: tuple[RowShown, ...]
    unshown: int


class IndexShown(msgspec.Struct, frozen=True):
    """The whole page."""

    code: str
    site: str
    made: str
    made_iso: str
    worst: Mark
    headline: str
    environments: tuple[EnvironmentShown, ...]
