"""Until when a major version of PostgreSQL is cared for. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

#: The last days as announced: https://www.postgresql.org/support/versioning/ (read for 10 to 18).
_ENDS = {
    10: date(2022, 11, 10),
    11: date(2023, 11, 9),
    12: date(2024, 11, 21),
    13: date(2025, 11, 13),
    14: date(2026, 11, 12),
    15: date(2027, 11, 11),
    16: date(2028, 11, 9),
    17: date(2029, 11, 8),
    18: date(2030, 11, 14),
}


def end_of_life(major: int) -> date:
    """The last day of a major version; for one that is newer than this list, five years after its autumn as always."""
    return _ENDS.get(major) or date(2012 + major, 11, 1)


def left(end: date, now: datetime) -> timedelta:
    """Time until the end of that day; less than nothing when it is over."""
    return datetime.combine(end, time.max, UTC) - now
