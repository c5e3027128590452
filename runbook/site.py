"""What a run works with apart from its rows: the environment, its settings, and where its memory lies."""

from __future__ import annotations

import os
import platform
import socket
import time
import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Protocol

import msgspec

from runbook import __version__, site_file, tongue
from runbook.history import History
from runbook.model import Environment, Reading
from runbook.settings import EnvironmentSettings, Settings
from runbook.settings.waivers import WaiversFile


class Mandate(Protocol):
    """What a run may do whatever policy would let act: an approved plan, and nothing else."""

    def rule(self, jobs: Iterable[Any]) -> None:
        """Put a decision on every job of the run, before any of them acts."""


@dataclass(frozen=True)
class Site:
    """One environment, opened for one run. ``record`` replaces the live targets by an earlier run's readings, which
    were ``taken_at`` some moment: then that is this site's now.

    ``began`` is when that was, on the monotonic clock: the run's deadline counts from there, start-up included.
    With a ``mandate`` nothing acts by policy: only what the mandate approves does.
    """

    environment: Environment
    settings: EnvironmentSettings
    zone: tzinfo
    history: History
    state_folder: Path
    reports_folder: Path
    fixing: bool = False
    record: tuple[Reading, ...] | None = None
    taken_at: datetime | None = None
    mandate: Mandate | None = None
    file: Path | None = None
    began: float = field(default_factory=time.monotonic)
    docx_template: Path | None = None
    executor: str = "threads"
    rows_at_once: int = 256

    def today(self) -> date:
        """The day in the site's zone."""
        return self.now().astimezone(self.zone).date()

    def now(self) -> datetime:
        """The moment that rows are judged at, in UTC."""
        return self.taken_at or datetime.now(UTC)


def open_site(
    settings: Settings,
    name: str | None = None,
    *,
    fixing: bool = False,
    deadline: timedelta | None = None,
    record: tuple[Reading, ...] | None = None,
    language: str | None = None,
    params: Mapping[str, str] | None = None,
) -> Site:
    """The chosen environment, ready for a run; ``params`` are values of the SQL rows' variables on top of the file's.

    Raises SettingsError for a name there is not, and for a file of waivers that cannot be read.
    """
    name, environment = settings.environment(name)
    environment = _with_neighbours(environment, (settings.file or Path()).parent, params or {})
    if deadline is not None:
        environment = msgspec.structs.replace(environment, deadline=deadline)
    return Site(
        environment=Environment(
            site=settings.site.name,
            name=name,
            timezone=settings.site.timezone,
            language=language or tongue.asked_for() or settings.site.language or tongue.spoken(),
            host=socket.gethostname(),
            versions={"muses-runbook": __version__, "Python": platform.python_version()},
        ),
        settings=environment,
        zone=zoneinfo.ZoneInfo(settings.site.timezone),
        history=History(None if record is not None else history_file(settings), name),
        state_folder=state_folder(settings),
        reports_folder=reports_folder(settings),
        fixing=fixing,
        record=record,
        file=settings.file,
        docx_template=docx_template(settings),
        executor=settings.site.executor,
        rows_at_once=settings.site.rows_at_once,
    )


def _with_neighbours(environment: EnvironmentSettings, folder: Path, params: Mapping[str, str]) -> EnvironmentSettings:
    """With the waivers of their own file, and with what is named relative to the site file's folder found there."""
    scripts, packs, file = environment.sql_rows, environment.packs, environment.waivers_file
    if not (params or scripts.folders or packs.folders or file):
        return environment
    given = {**scripts.params, **params}
    return msgspec.structs.replace(
        environment,
        sql_rows=msgspec.structs.replace(scripts, folders=tuple(folder / one for one in scripts.folders), params=given),
        packs=msgspec.structs.replace(packs, folders=tuple(folder / one for one in packs.folders)),
        waivers=(*environment.waivers, *(site_file.read(folder / file, WaiversFile).waivers if file else ())),
    )


def docx_template(settings: Settings) -> Path | None:
    """The site's Word template; a relative one lies beside the site file."""
    given = settings.site.docx_template
    return given and (settings.file or Path()).parent / given


def state_folder(settings: Settings) -> Path:
    """Where the site's memory lies on this machine."""
    return settings.site.state or default_state_folder()


def reports_folder(settings: Settings) -> Path:
    """Where the site's reports lie, a folder for each run."""
    return settings.site.reports or state_folder(settings) / "runs"


def history_file(settings: Settings) -> Path:
    """The history of all of the site's environments."""
    return state_folder(settings) / "history.sqlite"


def default_state_folder() -> Path:
    """``$XDG_STATE_HOME/muses-runbook``."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "muses-runbook"
