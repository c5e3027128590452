"""Single fields of COPY text: the values in them, and how times in them compare."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, tzinfo
from typing import NamedTuple

NULL = b"\\N"
#: ``ctid`` and ``xmin`` come before the columns of the table in each line.
BEFORE = 2

_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_MEANING = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_ESCAPED = {value: b"\\" + letter for letter, value in (*_MEANING.items(), (b"\\", b"\\"))}
_SPECIAL = re.compile(rb"[\b\f\n\r\t\v\\]")
_LONGEST_YEAR = 6


def value_of(field: bytes) -> bytes | None:
    """What stands in a field, in UTF-8; None is NULL."""
    if field == NULL:
        return None
    if b"\\" not in field:
        return field
    return _ESCAPE.sub(lambda found: _MEANING.get(found[1], found[1]), field)


def field_of(value: str) -> bytes:
    """The field that holds a value."""
    return _SPECIAL.sub(lambda found: _ESCAPED[found[0]], value.encode())


class Days(NamedTuple):
    """A span of days as the text of a time column can be compared with; ``until`` is excluded."""

    since: bytes | None = None
    until: bytes | None = None

    def hold(self, field: bytes) -> bool:
        """Whether a time lies in them; NULL lies in no days."""
        if field == NULL:
            return False
        at = _sortable(field)
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def meet(self, oldest: str | None, newest: str | None) -> bool:
        """Whether times from ``oldest`` to ``newest`` can lie in them; of unknown times it must be supposed."""
        if oldest is None or newest is None:
            return True
        first, last = (_sortable(at.replace("T", " ").encode()) for at in (oldest, newest))
        return (self.since is None or last >= self.since) and (self.until is None or first < self.until)


def days(since: date | None, until: date | None, zone: tzinfo, *, aware: bool) -> Days:
    """Days of the site. The text of a column that knows its offset (``aware``) is in UTC, any other's in local time."""

    def bound(day: date | None) -> bytes | None:
        if day is None:
            return None
        at = datetime.combine(day, time(), zone)
        return _sortable((at.astimezone(UTC) if aware else at).strftime("%Y-%m-%d %H:%M:%S").encode())

    return Days(bound(since), bound(until))


def _sortable(written: bytes) -> bytes:
    """A time as PostgreSQL writes it, so that it sorts as bytes. All of BC is before all days that one can ask for."""
    if written == b"infinity":
        return b"~"
    if written == b"-infinity" or written.endswith(b" BC"):
        return b""
    year, dash, rest = written.partition(b"-")
    return year.rjust(_LONGEST_YEAR, b"0") + dash + rest
