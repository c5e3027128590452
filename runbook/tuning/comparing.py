"""One threshold held against another over what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

import msgspec

from runbook.limits import Threshold
from runbook.tuning.stretches import Points, Stretch, bare, stretches


class Fired(msgspec.Struct, frozen=True):
    """When an alarm told of an incident by the limit in force, and by the other one; None where none did."""

    incident: Stretch
    now: datetime | None
    then: datetime | None

    @property
    def earlier(self) -> timedelta | None:
        """How much earlier the other limit fires, negative for later; None where one of the two does not."""
        return None if self.now is None or self.then is None else self.now - self.then


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One limit against another: alarms and false ones of each, and every incident."""

    name: str
    now: float | None
    then: float | None
    alarms_now: int
    alarms_then: int
    false_now: int
    false_then: int
    fired: tuple[Fired, ...]


def compared(points: Points, now: Threshold, then: Threshold) -> tuple[Level, ...]:
    """The limits of the threshold in force against those of another, warning first; a level neither has is left out."""
    found = incidents(points, now)
    pairs = (("warning", bare(now.warning), bare(then.warning)), ("critical", bare(now.critical), bare(then.critical)))
    return tuple(_level(name, points, found, now.direction, a, b) for name, a, b in pairs if (a, b) != (None, None))


def incidents(points: Points, now: Threshold) -> tuple[Stretch, ...]:
    """Every stretch that counts as an incident, in the order of time."""
    return stretches(points, now.direction, incident_limit(now))


def incident_limit(now: Threshold) -> float | None:
    """The limit in force beyond which there is an incident."""
    return bare(now.critical if now.critical is not None else now.warning)


def pace(points: Points) -> timedelta:
    """How long nobody looked between two samples, as a median; zero where there are not two."""
    gaps = [(b - a).total_seconds() for (a, _), (b, _) in pairwise(points)]
    return timedelta(seconds=median(gaps)) if gaps else timedelta(0)


def _level(
    name: str, points: Points, found: Sequence[Stretch], direction: str, now: float | None, then: float | None
) -> Level:
    alarms_now, alarms_then = stretches(points, direction, now), stretches(points, direction, then)
    return Level(
        name=name,
        now=now,
        then=then,
        alarms_now=len(alarms_now),
        alarms_then=len(alarms_then),
        false_now=_false(alarms_now, found),
        false_then=_false(alarms_then, found),
        fired=tuple(Fired(one, _told(one, alarms_now), _told(one, alarms_then)) for one in found),
    )


def _false(alarms: Sequence[Stretch], found: Sequence[Stretch]) -> int:
    return sum(not any(alarm.meets(incident) for incident in found) for alarm in alarms)


def _told(incident: Stretch, alarms: Sequence[Stretch]) -> datetime | None:
    """When the first alarm of the incident began."""
    return next((alarm.began for alarm in alarms if alarm.meets(incident)), None)
