"""What a person must know of a schedule that no unit says: the nights when the clock changes.

What each scheduler does then was read off it: systemd 252 by ``systemd-analyze calendar`` (a test does it again),
Kubernetes by kubernetes/kubernetes#121594 and its cron library's tests, cronie by the comment in its source, Debian's
cron by its manual.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from procedures.schedule.jobs import Schedule
from procedures.schedule.nights import AHEAD, ClockChange, Oddity, OddNight, clock_changes, odd_nights
from runbook.text import Text, text


def notes(schedule: Schedule, now: datetime) -> tuple[Text, ...]:
    """What happens on the clock-change nights of the coming two years."""
    return tuple(_notes(schedule, now))


def _notes(schedule: Schedule, now: datetime) -> Iterator[Text]:
    zone = ZoneInfo(schedule.zone)
    changes = clock_changes(zone, now)
    if not changes:
        until = str((now + AHEAD).astimezone(zone).date())
        yield text(
            "{zone} does not change its clock until {day}, as far as this machine's time zone data goes",
            zone=schedule.zone,
            day=until,
        )
        return
    yield from map(_change, changes)
    odd = [(job.name, night) for job in schedule.jobs for night in odd_nights(job.slot, zone, now)]
    if not odd:
        yield text("No job is planned for an hour that is skipped or repeated then")
    yield from (_night(job, night) for job, night in odd)
    if any(job.name == "backup" for job in schedule.jobs):
        yield text("--once-a-day keeps it one backup for each local date, however often it is begun")


def _change(change: ClockChange) -> Text:
    return text(
        "{day}: the clock goes from {before} to {after}",
        day=str(change.before.date()),
        before=f"{change.before:%H:%M}",
        after=f"{change.after:%H:%M}",
    )


def _night(job: str, night: OddNight) -> Text:
    day, clock = str(night.day), night.slot.clock
    if night.oddity is Oddity.MISSING:
        return text(
            "{job}: {time} does not exist on {day}. systemd and Kubernetes leave it out that day, and so does cron "
            "with CRON_TZ; cron in the machine's own zone runs it right after the change. "
            "Better plan it for another hour",
            job=job,
            time=clock,
            day=day,
        )
    return text(
        "{job}: {time} comes twice on {day}. systemd runs it the first time only, and so does cron in the "
        "machine's own zone; cron with CRON_TZ and Kubernetes run it twice",
        job=job,
        time=clock,
        day=day,
    )
