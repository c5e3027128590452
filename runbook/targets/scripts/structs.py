"""What a script gave: frozen structs, everything as the text that the server writes."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from runbook.text import Text


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one statement, personal columns masked. ``count`` is how many there were, kept or not.

    ``values`` are the numbers of the column that decides, in the order of ``rows``, None where no column does;
    ``without_value`` counts the rows that have no number there. ``counted`` says that the only row is the count.
    """

    line: int
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    count: int
    took: timedelta
    values: tuple[float, ...] | None = None
    without_value: int = 0
    counted: bool = False


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a block said with RAISE or a failed ASSERT; ``found`` says that it tells of something wrong."""

    line: int
    words: str
    found: bool


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that gave no answer, and why."""

    line: int
    reason: Text
    too_slow: bool = False


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a script gave, in its order."""

    listings: tuple[Listing, ...] = ()
    notices: tuple[Notice, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def found(self) -> int:
        """How many findings that is."""
        return sum(listing.count for listing in self.listings) + sum(notice.found for notice in self.notices)


class SlowStatement(msgspec.Struct, frozen=True, kw_only=True):
    """The planner's way of a slow statement and the indexes that would help; ``unknown``: why none can be named."""

    plan: tuple[str, ...]
    indexes: tuple[str, ...]
    unknown: Text | None = None
