"""The end of log files: found by pattern, read from the back, bounded in bytes, going on in what was rotated away."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runbook.errors import ProbeError, ProbeFailure
from runbook.targets.logs.compressed import is_compressed, last_of
from runbook.text import text

#: What logrotate appends: a number, or a date and perhaps a time; then the compression's own.
ROTATED = re.compile(r"(?:\.\d{1,4}|[.-]\d{4}-?\d\d-?\d\d(?:[-_.]?\d{1,10})?)(?:\.(?:gz|zst|xz))?$")


@dataclass(frozen=True)
class Tail:
    """The last lines of one log, oldest first. ``whole`` is False where there is more before them.

    ``size`` is all of it, in bytes; ``modified`` is when the file was written last, by the clock of its machine.
    ``stamps`` are the times of the lines where their source keeps them beside, ``name`` is that of a replica.
    """

    path: Path
    lines: tuple[bytes, ...]
    whole: bool
    size: int
    modified: datetime
    stamps: tuple[datetime, ...] = ()
    name: str = ""

    @property
    def replica(self) -> str:
        """What a person calls the log."""
        return self.name or self.path.stem


def matching(target: str, patterns: Iterable[str], setting: str) -> tuple[Path, ...]:
    """The logs that the patterns name, sorted, without rotated ones.

    Raises ProbeError(ABSENT) for a pattern that names none: a service whose log is gone is not a silent service.
    """
    found: set[Path] = set()
    for pattern in patterns:
        try:
            found |= _named(Path(pattern))
        except OSError as error:
            raise _unseen(target, pattern, setting, error) from error
    return tuple(sorted(path for path in found if base_of(path) not in found))


def base_of(path: Path) -> Path | None:
    """The log that a rotated one was; None where it is not one."""
    found = ROTATED.search(path.name)
    return path.with_name(path.name[: found.start()]) if found and found.start() else None


def tail(target: str, path: Path, setting: str, *, since: datetime, max_bytes: int) -> Tail:
    """The end of a log: at most ``max_bytes``, going on in its rotated neighbours where they are as young.

    A log that was not written since then is not read at all. Raises ProbeError naming the path.
    """
    try:
        size, modified = _known(path)
        if modified < since:
            return Tail(path, (), whole=True, size=size, modified=modified)
        end, whole = _continued(path, since, max_bytes)
    except OSError as error:
        raise _unseen(target, str(path), setting, error) from error
    return Tail(path, lines_of(end, whole=whole), whole, size, modified)


def lines_of(end: bytes, *, whole: bool) -> tuple[bytes, ...]:
    """The lines of a log's end; where there is more before, the first one is cut in its middle."""
    return tuple(filter(bytes.strip, end.split(b"\n")[0 if whole else 1 :]))


def _continued(path: Path, since: datetime, most: int) -> tuple[bytes, bool]:
    """The end of a log and its rotated neighbours; a line break before it says that no line is cut there."""
    end, whole = _last(path, most)
    for older in _older(path, since):
        if not whole or len(end) >= most:
            return (b"\n" if whole else b"") + end, False
        before, whole = _last(older, most - len(end))
        end = before + end if before or whole else b"\n" + end
    return end, whole


def _older(path: Path, since: datetime) -> list[Path]:
    """The rotated neighbours that are as young, newest first. One that is gone by now went on being rotated."""
    known: list[tuple[datetime, Path]] = []
    for neighbour in path.parent.iterdir():
        if neighbour.name.startswith(path.name) and base_of(neighbour) == path:
            with contextlib.suppress(OSError):
                known.append((_known(neighbour)[1], neighbour))
    return [neighbour for modified, neighbour in sorted(known, reverse=True) if modified >= since]


def _last(path: Path, most: int) -> tuple[bytes, bool]:
    """The last bytes of a file, and whether they are all of it."""
    if is_compressed(path):
        return last_of(path, most)
    with path.open("rb") as log:
        size = os.fstat(log.fileno()).st_size
        log.seek(max(0, size - most))
        return log.read(min(most, size)), size <= most


def _known(path: Path) -> tuple[int, datetime]:
    """Size and last change of a plain file; opening anything else, such as a pipe, could wait for ever."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a plain file")
    return found.st_size, datetime.fromtimestamp(found.st_mtime, UTC)


def _named(pattern: Path) -> set[Path]:
    found = set(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
    if not found:
        next(pattern.parent.iterdir(), None)  # says it when the folder is closed to us, or not there
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return found


def _unseen(target: str, path: str, setting: str, error: OSError) -> ProbeError:
    kind = ProbeFailure.DENIED if isinstance(error, PermissionError) else ProbeFailure.ABSENT
    reason = error.strerror or type(error).__name__
    said = text("the log {path} ({setting}) cannot be read: {reason}", path=path, setting=setting, reason=reason)
    return ProbeError(target, kind, said)
