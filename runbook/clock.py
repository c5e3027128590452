"""The time that rows are judged by: now, or, where a record is judged again, the moment when it was taken.

An age is the time since something happened. Held against today's clock, a record of last week would have all its ages
a week too long, and every row would breach.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_standing: ContextVar[datetime | None] = ContextVar("standing", default=None)


def now() -> datetime:
    """The present moment, in UTC; in this thread the one at which :func:`standing_at` lets the clock stand."""
    return _standing.get() or datetime.now(UTC)


@contextmanager
def standing_at(moment: datetime | None) -> Iterator[None]:
    """Let this thread's clock stand at ``moment``; None lets it go."""
    before = _standing.set(moment)
    try:
        yield
    finally:
        _standing.reset(before)
