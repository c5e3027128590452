"""The nightly run: which environments, what becomes of its reports, and where its pages are published."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from runbook.settings.words import Strict
from runbook.units import parse_duration

_KEEP = 'give a time ("400 d") or a number of nights'


class Bucket(NamedTuple):
    """A place in an object store; ``prefix`` is empty or ends with ``/``."""

    name: str
    prefix: str


class NightlySettings(Strict, frozen=True, kw_only=True):
    """``muses-runbook nightly``: no ``environments`` means all; without ``fix`` nothing acts, whatever policy lets.

    ``keep`` is how long its reports stay: a time (``"400 d"``) or how many nights of each environment. ``publish`` is a
    folder, or ``"s3://bucket/prefix"`` in the store of the environment ``publish_with`` (default: the site's, or the
    first that has one), under its operator. Without a run for ``overdue`` the pages say that nobody looks.
    ``longest`` ends a run that hangs.
    """

    environments: tuple[str, ...] = ()
    fix: bool = True
    keep: str | int = "400 d"
    formats: tuple[str, ...] = ("json", "html", "markdown", "junit")
    publish: str = ""
    publish_with: str = ""
    overdue: timedelta = timedelta(hours=26)
    longest: timedelta = timedelta(hours=2)

    def __post_init__(self) -> None:
        if self.kept_nights is None and self.kept_time <= timedelta(0):
            raise ValueError(f"keep {self.keep!r} keeps nothing: {_KEEP}")
        if self.publish.startswith("s3:"):
            _bucket(self.publish)

    @property
    def kept_nights(self) -> int | None:
        """How many nights of an environment are kept; None where a time is given."""
        try:
            count = int(self.keep)
        except ValueError:
            return None
        return count if count > 0 else None

    @property
    def kept_time(self) -> timedelta:
        """How long a night is kept where no number is given. Raises ValueError for what is neither."""
        try:
            return timedelta(0) if isinstance(self.keep, int) else parse_duration(self.keep)
        except ValueError:
            raise ValueError(f"keep {self.keep!r}: {_KEEP}") from None

    @property
    def bucket(self) -> Bucket | None:
        """The place in an object store; None where nothing is published, or into a folder."""
        return _bucket(self.publish) if self.publish.startswith("s3:") else None

    @property
    def folder(self) -> Path | None:
        """The folder; None where nothing is published, or into an object store."""
        return Path(self.publish).expanduser() if self.publish and self.bucket is None else None


def _bucket(written: str) -> Bucket:
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/+(.*?)/*)?", written)
    if match is None:
        raise ValueError(f"publish {written!r} is not of the form 's3://bucket/prefix'")
    return Bucket(match[1], f"{match[2]}/" if match[2] else "")
