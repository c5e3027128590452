"""What the commands of the schedule print, for people and as JSON."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from runbook.model import State
from runbook.targets.hosts.timers import JOBS
from runbook.text import Text
from runbook.tongue import _, told

_MARKS = {State.SKIPPED: "–", State.OK: "✓", State.WARNING: "!", State.UNKNOWN: "?", State.CRITICAL: "✗"}


def module(name: str) -> Any:
    """A module of the schedule's procedure, imported now: the engine knows none of them."""
    return importlib.import_module(f"procedures.schedule.{name}")


def page(planned: Any, now: datetime) -> Iterator[str]:
    """The jobs, one a line, with their next time and command."""
    words = _("{environment}, in the time of {zone}; each start is delayed by up to {jitter}")
    jitter = f"{planned.settings.jitter.total_seconds() / 60:g} min"
    yield words.format(environment=planned.environment, zone=planned.zone, jitter=jitter)
    for name in JOBS:
        job = next((job for job in planned.jobs if job.name == name), None)
        if job is None:
            yield f"  {name:<12}  " + _("not planned")
        else:
            yield f"  {name:<12}  {job.slot!s:<9}  {_next(job, planned, now):%Y-%m-%d %H:%M %z}  {shlex.join(job.argv)}"


def _next(job: Any, planned: Any, now: datetime) -> datetime:
    at: datetime = module("nights").next_time(job.slot, ZoneInfo(planned.zone), now)
    return at


def plain(planned: Any, now: datetime) -> dict[str, object]:
    """The same as JSON values."""
    jobs = [
        {
            "job": job.name,
            "time": str(job.slot),
            "next": _next(job, planned, now).isoformat(),
            "unit": job.unit,
            "command": list(job.argv),
        }
        for job in planned.jobs
    ]
    return {"environment": planned.environment, "zone": planned.zone, "jobs": jobs}


def headed(form: str, files: dict[str, str]) -> Iterator[str]:
    """The files one after the other; those of systemd, which are no one file, with their names."""
    for name, content in files.items():
        yield f"# ---- {name}\n{content}\n" if form == "systemd" else content


def installed(
    due: tuple[Any, ...],
    planned: Any,
    form: str,
    commands: tuple[tuple[str, ...], ...],
    *,
    execute: bool,
    enable: bool,
) -> Iterator[str]:
    """What an installation would do or did, and what remains to be done by hand."""
    if not due:
        yield _("The files are as they should be.")
    for change in due:
        done = _("removed {file}") if change.after is None else _("wrote {file}")
        yield done.format(file=change.file) if execute else change.diff()
    if due and not execute:
        yield _("Nothing was changed. Do it with --execute.")
    lacking = module("installing").preparations(planned, form)
    if remaining := (*lacking, *(() if enable else map(shlex.join, commands))):
        yield _("What remains to be done on that machine:")
        yield from (f"  {line}" for line in remaining)


def plain_change(change: Any) -> dict[str, object]:
    """One changed file as JSON values."""
    return {"file": str(change.file), "removed": change.after is None, "diff": change.diff()}


def plain_status(job: Any) -> dict[str, object]:
    """One job's state as JSON values."""
    standing = None if job.standing is None else msgspec.to_builtins(job.standing)
    return {"job": job.name, "state": job.state.name, "files": job.files, "said": told(job.said), "systemd": standing}


def status_page(judged: tuple[Any, ...], blind: Text | None, zone: ZoneInfo) -> Iterator[str]:
    """The jobs, one a line, with what systemd tells of them."""
    if blind is not None:
        yield told(blind)
    for job in judged:
        yield f"{_MARKS[job.state]} {job.name:<12}  {told(job.said)}"
        if job.standing is not None and job.standing.installed:
            words = _("last fired {fired}, next {next}")
            yield " " * 16 + words.format(fired=_at(job.standing.fired, zone), next=_at(job.standing.next, zone))


def _at(moment: datetime | None, zone: ZoneInfo) -> str:
    return "–" if moment is None else f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S %z}"
