"""Put a schedule's files where the scheduler reads them: what would change, then each file whole or not at all."""

from __future__ import annotations

import contextlib
import difflib
import os
import pwd
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from procedures.schedule.jobs import Schedule, folder_name
from procedures.schedule.rendering import all_names, rendered
from runbook.errors import ActionError
from runbook.text import text

_TARGET = "hosts"
_TIMER = ".timer"
_PATIENCE = 60


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """One file as it is and as it should be; None where it is not there, or should not be."""

    file: Path
    before: str | None
    after: str | None

    @property
    def due(self) -> bool:
        """Whether there is anything to do."""
        return self.before != self.after

    def diff(self) -> str:
        """Unified, empty when nothing is to be done."""
        before, after = ((side or "").splitlines(keepends=True) for side in (self.before, self.after))
        old, new = (os.devnull if side is None else str(self.file) for side in (self.before, self.after))
        return "".join(difflib.unified_diff(before, after, old, new))


def changes(schedule: Schedule, form: str, folder: Path) -> tuple[FileChange, ...]:
    """Every file of the schedule in the folder, also those of jobs that are no longer planned. Reads only."""
    wanted = rendered(schedule, form)
    names = (*wanted, *(name for name in all_names(schedule.environment, form) if name not in wanted))
    found = (FileChange(file=folder / n, before=_read(folder / n), after=wanted.get(n)) for n in names)
    return tuple(change for change in found if change.before is not None or change.after is not None)


def write(due: tuple[FileChange, ...]) -> None:
    """Make the files so. A reader sees each as it was or as it should be. Raises ActionError naming the file."""
    for change in due:
        try:
            _make_so(change)
        except OSError as error:
            said = text("{file} cannot be written: {reason}", file=change.file, reason=error.strerror)
            raise ActionError(_TARGET, "install", said) from error


def commands(schedule: Schedule, due: tuple[FileChange, ...]) -> tuple[tuple[str, ...], ...]:
    """What makes systemd take the files up: words of each command, in order."""
    return tuple(_commands(schedule, due))


def preparations(schedule: Schedule, form: str) -> tuple[str, ...]:
    """What this machine still lacks, as lines for a shell: the jobs' user, folders that no scheduler makes."""
    return tuple(_preparations(schedule, form))


def enable(schedule: Schedule, due: tuple[FileChange, ...]) -> None:
    """Run :func:`commands`. Raises ActionError with what systemctl says."""
    for words in commands(schedule, due):
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ActionError(_TARGET, "enable", f"{' '.join(words)}: {type(error).__name__}") from error
        if done.returncode:
            raise ActionError(_TARGET, "enable", f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")


def _preparations(schedule: Schedule, form: str) -> Iterator[str]:
    user = schedule.settings.user
    try:
        pwd.getpwnam(user)
    except KeyError:
        home = str(schedule.state)
        yield shlex.join(("useradd", "--system", "--home-dir", home, "--shell", "/usr/sbin/nologin", user))
    for folder in schedule.writable:
        made = form == "systemd" and folder_name(folder) is not None and folder == schedule.state
        if not made and not folder.is_dir():
            yield shlex.join(("install", "-d", "-o", user, "-m", "700", str(folder)))


def _commands(schedule: Schedule, due: tuple[FileChange, ...]) -> Iterator[tuple[str, ...]]:
    if gone := [change.file.name for change in due if change.after is None and change.file.suffix == _TIMER]:
        yield ("systemctl", "stop", *gone)
    yield ("systemctl", "daemon-reload")
    if timers := [f"{job.unit}{_TIMER}" for job in schedule.jobs]:
        yield ("systemctl", "enable", "--now", *timers)


def _make_so(change: FileChange) -> None:
    if change.after is not None:
        _replace(change.file, change.after)
        return
    change.file.unlink(missing_ok=True)
    if change.file.suffix == _TIMER:  # what "systemctl enable" made: it would point to nothing
        (change.file.parent / "timers.target.wants" / change.file.name).unlink(missing_ok=True)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        said = text("{file} cannot be read: {reason}", file=file, reason=error.strerror)
        raise ActionError(_TARGET, "install", said, refused=True) from error


def _replace(file: Path, content: str) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".muses-runbook-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            os.fchmod(stream.fileno(), 0o644)
        Path(name).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
