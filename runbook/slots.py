"""A time of day, of every day or of one weekday, as a schedule has it: ``"03:30"``, ``"Sun 04:30"``.

It is local time of the site and knows of no zone: on the nights when a clock changes it may not exist, or twice.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time

import msgspec

#: As systemd and people write them, Monday first as in ``date.weekday``.
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WRITTEN = re.compile(rf"(?:({'|'.join(DAYS)}) )?([01]\d|2[0-3]):([0-5]\d)")


class Slot(msgspec.Struct, frozen=True):
    """``weekday`` is 0 for Monday and None for every day."""

    hour: int
    minute: int
    weekday: int | None = None

    def __str__(self) -> str:
        """As it is written in the site file."""
        day = "" if self.weekday is None else f"{DAYS[self.weekday]} "
        return f"{day}{self.clock}"

    @property
    def clock(self) -> str:
        """``03:30``."""
        return f"{self.hour:02}:{self.minute:02}"

    def falls_on(self, day: date) -> bool:
        """Whether the day has it."""
        return self.weekday is None or self.weekday == day.weekday()

    def on(self, day: date) -> datetime:
        """The naive local time on that day."""
        return datetime.combine(day, time(self.hour, self.minute))


def parse_slot(written: str) -> Slot:
    """Read ``"03:30"`` or ``"Sun 04:30"``. Raises ``ValueError`` naming both forms."""
    found = _WRITTEN.fullmatch(written)
    if found is None:
        raise ValueError(f"{written!r} is no time such as '03:30' or 'Sun 04:30' (days: {', '.join(DAYS)})")
    day, hour, minute = found.groups()
    return Slot(int(hour), int(minute), None if day is None else DAYS.index(day))
