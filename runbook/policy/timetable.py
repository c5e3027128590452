"""The hours, windows and freezes of a policy, read and held against a moment of the site's zone. Pure.

What cannot be read raises ``ValueError``: a guard that cannot be read lets nothing act.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from runbook.settings import Freeze, Window

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d [0-2]\d:[0-5]\d")


def is_within(hours: str, at: datetime, days: tuple[str, ...] = ()) -> bool:
    """Whether ``at`` is in ``"22:00-06:00"``; after midnight it belongs to the day on which the hours began."""
    start, end = _hours(hours)
    began = at if _minute(at) >= start else at - timedelta(days=1)
    inside = start <= _minute(at) < end if start < end else not end <= _minute(at) < start
    return inside and (not days or DAYS[began.weekday()] in _known(days))


def is_open(window: Window, at: datetime) -> bool:
    """Whether a maintenance window is open at ``at``."""
    once = (window.begins, window.ends)
    if window.hours is not None and once == (None, None):
        return is_within(window.hours, at, window.days)
    if window.hours is None and not window.days and window.begins and window.ends:
        return _is_between(window.begins, window.ends, at)
    raise ValueError("give either hours (and days), or begins and ends")


def is_frozen(freeze: Freeze, at: datetime) -> bool:
    """Whether a freeze holds at ``at``."""
    return _is_between(freeze.begins, freeze.ends, at)


def _is_between(begins: str, ends: str, at: datetime) -> bool:
    first, last = _moment(begins), _moment(ends)
    end = last + timedelta(days=1) if _DAY.fullmatch(ends.strip()) else last
    if end <= first:
        raise ValueError(f"it ends ({ends}) before it begins ({begins})")
    return first <= at.replace(tzinfo=None) < end


def _hours(written: str) -> tuple[int, int]:
    """Start and end in minutes of the day."""
    found = _HOURS.fullmatch(written.strip())
    if found is None:
        raise ValueError(f"{written!r} is not written as in '22:00-06:00'")
    start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if start == end:
        raise ValueError(f"{written!r} may mean never and always")
    return start, end


def _known(days: tuple[str, ...]) -> tuple[str, ...]:
    for day in days:
        if day not in DAYS:
            raise ValueError(f"{day!r} is no day: {', '.join(DAYS)}")
    return days


def _moment(written: str) -> datetime:
    written = written.strip()
    if _DAY.fullmatch(written):
        return datetime.combine(date.fromisoformat(written), time())
    if _MOMENT.fullmatch(written):
        return datetime.fromisoformat(written)
    raise ValueError(f"{written!r} is written neither as '2026-12-15' nor as '2026-12-15 18:00'")


def _minute(at: datetime) -> int:
    return at.hour * 60 + at.minute
