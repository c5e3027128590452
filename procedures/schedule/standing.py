"""How each job stands: what is planned, what lies in the folder and what systemd tells, held against one another.

Pure. Without systemd's word a planned job is UNKNOWN, never missing.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import msgspec

from procedures.schedule.installing import FileChange
from procedures.schedule.jobs import Job, Schedule
from procedures.schedule.nights import last_time
from runbook.model import State
from runbook.targets.hosts.timers import JOBS, Standing, unit_name
from runbook.text import Text, text

#: How long after its time and jitter a job may still be about to begin.
GRACE = timedelta(minutes=5)


class JobStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One job's state. ``files``: ``as rendered``, ``differ``, ``missing``, ``left over``, ``none``."""

    name: str
    state: State
    said: Text
    files: str
    standing: Standing | None = None


def judged(
    schedule: Schedule, files: tuple[FileChange, ...], standings: tuple[Standing, ...] | None, now: datetime
) -> tuple[JobStanding, ...]:
    """One a job, in the order of JOBS. ``standings`` is None where systemd cannot be seen."""
    planned = {job.name: job for job in schedule.jobs}
    seen = {one.job: one for one in standings or ()}
    return tuple(_one(name, planned.get(name), schedule, files, seen.get(name), now) for name in JOBS)


def _one(
    name: str,
    job: Job | None,
    schedule: Schedule,
    files: tuple[FileChange, ...],
    standing: Standing | None,
    now: datetime,
) -> JobStanding:
    there = _files(unit_name(schedule.environment, name), files)
    if job is None:
        state, said = _unplanned(there, standing)
    elif standing is None:
        state, said = State.UNKNOWN, _unseen(there)
    else:
        state, said = _planned(job, schedule, there, standing, now)
    return JobStanding(name=name, state=state, said=said, files=there, standing=standing)


def _files(unit: str, files: tuple[FileChange, ...]) -> str:
    ours = [change for change in files if change.file.name in (f"{unit}.timer", f"{unit}.service")]
    if any(change.after is None for change in ours):
        return "left over"
    if any(change.before is None for change in ours):
        return "missing"
    return "none" if not ours else "differ" if any(change.due for change in ours) else "as rendered"


def _unseen(files: str) -> Text:
    match files:
        case "as rendered":
            return text("cannot see whether it fires; its files are as the site file says")
        case "missing":
            return text("cannot see whether it fires; its files are not there")
        case _:
            return text("cannot see whether it fires; its files are not as the site file says")


def _unplanned(files: str, standing: Standing | None) -> tuple[State, Text]:
    if files == "left over" or (standing is not None and standing.active):
        said = text("not planned, but its units are still there: muses-runbook schedule install --execute --enable")
        return State.WARNING, said
    return State.SKIPPED, text("not planned")


def _planned(job: Job, schedule: Schedule, files: str, standing: Standing, now: datetime) -> tuple[State, Text]:
    """The worst that is true of it."""
    if not standing.installed:
        return State.CRITICAL, text("not installed: muses-runbook schedule install --execute --enable")
    if not standing.armed:
        return State.CRITICAL, text("installed but will not fire: systemctl enable --now {timer}", timer=standing.timer)
    if standing.failed:
        return State.CRITICAL, text(
            "the last run failed ({result}, exit code {code}): journalctl -u {unit}",
            result=standing.result,
            code=standing.exit_code,
            unit=f"{job.unit}.service",
        )
    if (due := _overdue(job, schedule, standing, now)) is not None:
        return State.CRITICAL, text("was due at {due} and did not fire", due=due)
    if standing.stale:
        return State.WARNING, text("its files changed and systemd has not read them: systemctl daemon-reload")
    if files != "as rendered":
        return State.WARNING, text("installed, but not as the site file says: muses-runbook schedule install")
    return State.OK, text("running") if standing.running else text("installed as the site file says")


def _overdue(job: Job, schedule: Schedule, standing: Standing, now: datetime) -> str | None:
    """The time that it missed; a timer that never fired is new, and its first time may be still to come."""
    zone: tzinfo = ZoneInfo(schedule.zone)
    due = last_time(job.slot, zone, now)
    if standing.fired is None or standing.fired >= due or now < due + schedule.settings.jitter + GRACE:
        return None
    return f"{due:%Y-%m-%d %H:%M %z}"
