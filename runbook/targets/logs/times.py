"""When a log line was written."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6})\d*)?\s?(Z|[A-Z]{2,5}|[+-]\d\d(?::?\d\d)?)?")
_UNIVERSAL = frozenset({"Z", "UTC", "GMT"})
_QUARTER = timedelta(minutes=15)
_FARTHEST = timedelta(hours=14)


class Clock:
    """Reads the times of one file.

    A time without an offset, or with a zone's letters (``CST`` is three zones), is taken to be as far from UTC as the
    file's newest line is from the moment at which the file was written.
    """

    def __init__(self, modified: datetime) -> None:
        self._modified = modified
        self._offset: timedelta | None = None

    def read(self, words: str) -> datetime | None:
        """The first time in the words, aware and in UTC; None where there is none. Read the newest line first."""
        found = _STAMP.search(words)
        if found is None:
            return None
        day, hour, fraction, zone = found.groups()
        try:
            local = datetime.fromisoformat(f"{day}T{hour}.{(fraction or '0').ljust(6, '0')}+00:00")
        except ValueError:
            return None
        return local - self._offset_of(zone, local)

    def _offset_of(self, zone: str | None, local: datetime) -> timedelta:
        if zone in _UNIVERSAL:
            return timedelta(0)
        if zone and zone[0] in "+-":
            return datetime.strptime(zone[:3] + (zone[3:].lstrip(":") or "00"), "%z").utcoffset() or timedelta(0)
        if self._offset is None:
            apart = round((local - self._modified) / _QUARTER) * _QUARTER
            self._offset = apart if abs(apart) <= _FARTHEST else timedelta(0)
        return self._offset


def window(length: timedelta) -> tuple[datetime, datetime]:
    """From then until now."""
    now = datetime.now(UTC)
    return now - length, now
