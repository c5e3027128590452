"""The nights on which a clock changes, and what a schedule meets then: a time that does not exist, or exists twice.

Pure: computed from the zone's own rules, as far as the time zone data of this machine goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum

import msgspec

from runbook.slots import Slot

#: How far ahead a schedule looks.
AHEAD = timedelta(days=731)
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_FORTNIGHT = 15


class Oddity(StrEnum):
    """What a clock change does to a time of day."""

    MISSING = "missing"
    TWICE = "twice"


class ClockChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a zone's offset: ``at`` in UTC; ``before`` and ``after`` are the two naive local times of it."""

    at: datetime
    before: datetime
    after: datetime


class OddNight(msgspec.Struct, frozen=True, kw_only=True):
    """A day on which a slot does not exist, or exists twice."""

    day: date
    slot: Slot
    oddity: Oddity


def clock_changes(zone: tzinfo, since: datetime, ahead: timedelta = AHEAD) -> tuple[ClockChange, ...]:
    """Every change of the zone's offset in the span, oldest first; empty when there is none."""
    begin = since.astimezone(UTC)
    return tuple(_changes(zone, begin, begin + ahead))


def odd_nights(slot: Slot, zone: tzinfo, since: datetime, ahead: timedelta = AHEAD) -> tuple[OddNight, ...]:
    """The days of the span on which the slot is missing or twice, oldest first."""
    return tuple(
        OddNight(day=day, slot=slot, oddity=oddity)
        for day in _days(since.astimezone(zone).date(), ahead)
        if slot.falls_on(day) and (oddity := oddity_of(slot.on(day), zone)) is not None
    )


def oddity_of(local: datetime, zone: tzinfo) -> Oddity | None:
    """What is odd about a naive local time in the zone.

    By PEP 495 ``fold=0`` reads it with the offset before a change and ``fold=1`` with the one after it.
    """
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if first is None or second is None or first == second:
        return None
    return Oddity.MISSING if first < second else Oddity.TWICE


def next_time(slot: Slot, zone: tzinfo, now: datetime) -> datetime:
    """When the slot comes next, in the zone; a day on which it is missing is passed over, as systemd does."""
    for day in _days(now.astimezone(zone).date(), _DAY * _FORTNIGHT):
        local = slot.on(day)
        at = local.replace(tzinfo=zone)
        if slot.falls_on(day) and oddity_of(local, zone) is not Oddity.MISSING and at.astimezone(UTC) > now:
            return at
    raise AssertionError("no clock skips the same weekday twice in a row")


def last_time(slot: Slot, zone: tzinfo, now: datetime) -> datetime:
    """When the slot was last due, in the zone; a day on which it is missing is passed over, as systemd does."""
    today = now.astimezone(zone).date()
    for days in range(_FORTNIGHT):
        local = slot.on(today - timedelta(days=days))
        at = local.replace(tzinfo=zone)
        if slot.falls_on(local.date()) and oddity_of(local, zone) is not Oddity.MISSING and at.astimezone(UTC) <= now:
            return at
    raise AssertionError("no clock skips the same weekday twice in a row")


def _days(first: date, ahead: timedelta) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range(ahead.days + 1))


def _changes(zone: tzinfo, begin: datetime, end: datetime) -> Iterator[ClockChange]:
    """Day by day, then by halves: no zone changes its clock twice within a day."""
    at = begin
    while at < end:
        if _offset(zone, at) != _offset(zone, at + _DAY):
            change = _between(zone, at, at + _DAY)
            before = change.replace(tzinfo=None) + _offset(zone, change - _MINUTE)
            yield ClockChange(at=change, before=before, after=change.replace(tzinfo=None) + _offset(zone, change))
        at += _DAY


def _between(zone: tzinfo, low: datetime, high: datetime) -> datetime:
    """The first whole minute with the offset of ``high``."""
    low, high = low.replace(second=0, microsecond=0), high.replace(second=0, microsecond=0)
    while high - low > _MINUTE:
        middle = low + (high - low) / 2
        middle = middle.replace(second=0, microsecond=0)
        if _offset(zone, middle) == _offset(zone, high):
            high = middle
        else:
            low = middle
    return high


def _offset(zone: tzinfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)
