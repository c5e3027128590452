"""Breaches that somebody answers for, until a day."""

from __future__ import annotations

from datetime import date
from typing import Literal

from runbook.settings.words import Strict
from runbook.units import parse_duration, parse_size

#: A year: what is waived for longer is no exception any more.
LONGEST_DAYS = 366
STATES = ("WARNING", "CRITICAL", "UNKNOWN")


class Waiver(Strict, frozen=True, kw_only=True):
    """A row whose breach is known and accepted from ``start`` to ``expires``, both included, in the site's zone.

    ``owner`` mends it, ``approver`` is somebody else who accepts it meanwhile. ``state`` is the worst state that was
    seen; ``seen`` are the objects that were breached, each with its value (a number in the unit of the report's JSON,
    ``"40 min"``, ``"2 GB"``; or a state where no number decides). What is worse, or not among them, alerts again;
    without ``seen`` only the state counts.
    """

    row: str
    owner: str
    approver: str
    reason: str
    start: date
    expires: date
    state: Literal["WARNING", "CRITICAL", "UNKNOWN"]
    seen: dict[str, str | int | float] = {}

    def __post_init__(self) -> None:
        for name in ("row", "owner", "approver", "reason"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} is empty")
        if self.owner.strip().casefold() == self.approver.strip().casefold():
            raise ValueError("approver is somebody else than owner")
        if self.expires < self.start:
            raise ValueError("expires is before start")
        if (self.expires - self.start).days > LONGEST_DAYS:
            raise ValueError(f"expires is more than {LONGEST_DAYS} days after start: approve it anew each year")
        for value in self.seen.values():
            if value not in STATES:
                amount(value)


class WaiversFile(Strict, frozen=True, kw_only=True):
    """A file of its own for the waivers: ``[[waivers]]`` tables, as in the site file."""

    waivers: tuple[Waiver, ...] = ()


def amount(seen: str | float) -> float:
    """What a waiver says of an object as a number: as it stands, seconds of a duration, bytes. Raises ValueError."""
    if not isinstance(seen, str):
        return float(seen)
    try:
        return float(seen)
    except ValueError:
        pass
    try:
        return parse_duration(seen).total_seconds()
    except ValueError:
        return float(parse_size(seen))
