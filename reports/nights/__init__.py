"""The pages of the nightly runs: a static index with a calendar, what changed, and each row's trend.

Plain data in, one file out: it opens from a folder and from a bucket, loads nothing, and is complete without scripts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from reports.language import Language
from runbook.model import Measure, State
from runbook.text import Text


class Night(msgspec.Struct, frozen=True, kw_only=True):
    """One environment's night: ``href`` leads to its report, empty where it is gone; ``said``: why none was made."""

    at: datetime
    worst: State
    href: str = ""
    said: Text | None = None


class RowNights(msgspec.Struct, frozen=True, kw_only=True):
    """A row over the nights: ``standings`` are as many as the environment's nights, empty where it was not judged.

    ``trend`` are the values of the object in ``measure``, oldest first; ``measure`` is the last night's worst.
    """

    row: str
    title: Text | None = None
    standings: tuple[str, ...]
    trend: tuple[tuple[datetime, float], ...] = ()
    measure: Measure | None = None


class EnvironmentNights(msgspec.Struct, frozen=True, kw_only=True):
    """One environment, its nights and rows; the nights oldest first."""

    name: str
    nights: tuple[Night, ...]
    rows: tuple[RowNights, ...] = ()


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. Without a run for ``overdue`` nobody looks at an environment, and the page must say so."""

    site: str
    made_at: datetime
    overdue: timedelta
    environments: tuple[EnvironmentNights, ...]


def render(index: Index, language: Language) -> bytes:
    """The page, UTF-8, under a megabyte: lines get coarser, then rows that were always in order go without them."""
    from reports.nights.page import page

    return page(index, language)
