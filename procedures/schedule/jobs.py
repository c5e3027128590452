"""What is scheduled, where, and as whom: everything that a template needs, worked out once from the site file."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path, PurePath

import msgspec

from runbook.errors import SettingsError
from runbook.settings import ScheduleSettings, Settings
from runbook.slots import Slot
from runbook.targets.hosts.timers import JOBS, unit_name
from runbook.text import text

#: Where the state lies when the site file does not say: systemd makes it, owned by the user of the jobs.
STATE = Path("/var/lib/muses-runbook")
#: A CronJob's name is the beginning of its Jobs' and Pods' names, which Kubernetes ends by 11 characters of its own.
LONGEST_NAME = 52


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What is always true of one job.

    ``answers`` are exit codes that are the job's answer and no failure; ``final`` those that another try cannot mend.
    """

    title: str
    words: tuple[str, ...]
    answers: tuple[int, ...] = ()
    final: tuple[int, ...] = (64, 73, 78)
    gentle: bool = True


KINDS = {
    "backup": Kind(title="backup of the database", words=("run", "backup", "--execute", "--once-a-day")),
    "purge": Kind(title="purge of the exchange tables", words=("run", "purge", "--execute")),
    "check": Kind(title="compliance check", words=("nightly",), answers=(1,), final=(2, 3, 64, 73, 78), gentle=False),
    "retention": Kind(title="retention of the backups", words=("run", "retention", "--execute"), answers=(1,)),
    "restore-test": Kind(title="whole restore test", words=("run", "restore-test", "--execute", "--whole")),
}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job that is planned. ``argv`` begins with the program's full path."""

    name: str
    unit: str
    label: str
    slot: Slot
    kind: Kind
    argv: tuple[str, ...]


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """All jobs of one environment. ``writable`` are the folders that the jobs write to, the state folder first."""

    environment: str
    zone: str
    jobs: tuple[Job, ...]
    settings: ScheduleSettings
    writable: tuple[Path, ...]
    needed: tuple[Path, ...]

    @property
    def state(self) -> Path:
        """Where the jobs' memory lies."""
        return self.writable[0]

    def reaches(self, *folders: str) -> bool:
        """Whether something that the jobs need lies below one of the folders."""
        return any(path.is_relative_to(folder) for path in self.needed for folder in folders)


def schedule_of(settings: Settings, name: str | None = None) -> Schedule:
    """The schedule of the named environment. Reads no secret and connects to nothing.

    Raises SettingsError for a path that no unit and no crontab can hold.
    """
    name, environment = settings.environment(name)
    chosen = environment.schedule
    program = _program(chosen, name)
    file = (settings.file or Path("/etc/muses-runbook/settings.toml")).absolute()
    writable = tuple(_writable(settings, environment.backup.proof, settings.site.nightly.folder))
    needed = (program, file, chosen.environment_file, *writable)
    for path in needed:
        _prove_plain(str(path))
    _prove_plain(name)
    return Schedule(
        environment=name,
        zone=settings.site.timezone,
        jobs=tuple(_job(name, job, slot, (str(program), str(file))) for job, slot in _in_order(chosen)),
        settings=chosen,
        writable=writable,
        needed=needed,
    )


def label(environment: str, job: str) -> str:
    """A name for Kubernetes: lower case, digits and ``-``; a changed one carries a digest of the original."""
    plain = f"muses-runbook-{environment}-{job}"
    clean = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    if clean == plain and len(clean) <= LONGEST_NAME:
        return clean
    mark = hashlib.sha256(plain.encode()).hexdigest()[:8]
    kept = LONGEST_NAME - len(job) - len(mark) - 2
    return f"{clean[:kept].removesuffix(job).strip('-')}-{mark}-{job}"


def _in_order(chosen: ScheduleSettings) -> Iterator[tuple[str, Slot]]:
    slots = chosen.slots()
    return ((job, slots[job]) for job in JOBS if job in slots)


def _job(environment: str, job: str, slot: Slot, place: tuple[str, str]) -> Job:
    program, file = place
    kind = KINDS[job]
    return Job(
        name=job,
        unit=unit_name(environment, job),
        label=label(environment, job),
        slot=slot,
        kind=kind,
        argv=(program, *kind.words, "--settings", file, "--env", environment),
    )


def _program(chosen: ScheduleSettings, environment: str) -> Path:
    """The program that the settings name, or the one that is running, or the one in the path."""
    if chosen.program is not None:
        return chosen.program.absolute()
    beside = Path(sys.executable).with_name("muses-runbook")
    found = str(beside) if beside.is_file() else shutil.which("muses-runbook")
    if found is None:
        key = f"environments.{environment}.schedule.program"
        raise SettingsError(text("muses-runbook is not found on this machine: say where it is"), key=key)
    return Path(found).absolute()


def _writable(settings: Settings, *more: Path | None) -> Iterator[Path]:
    """Every folder that is written to, none that lies in another."""
    folders: list[Path] = []
    for folder in (settings.site.state or STATE, settings.site.reports, *more):
        if folder is not None and not any(folder.absolute().is_relative_to(known) for known in folders):
            folders.append(folder.absolute())
    yield from folders


def _prove_plain(value: str) -> None:
    """Units and crontabs are files of lines: what breaks a line, or vanishes at its ends, cannot be written there."""
    if value != value.strip() or value.endswith("\\") or re.search(r"[\x00-\x1f\x7f]", value):
        raise SettingsError(text("{value} cannot stand in a unit or a crontab: rename it", value=ascii(value)))


def folder_name(path: PurePath) -> str | None:
    """The path below ``/var/lib``, which systemd makes itself; None for any other."""
    return str(path.relative_to(STATE.parent)) if path.is_relative_to(STATE.parent) and path != STATE.parent else None
