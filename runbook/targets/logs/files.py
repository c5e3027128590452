"""The end of log files: found by pattern, read from the back, bounded in bytes."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runbook.errors import ProbeError, ProbeFailure
from runbook.text import text

_ROTATED = re.compile(r"\.\d+$")


@dataclass(frozen=True)
class Tail:
    """The last lines of one log, oldest first. ``whole`` is False where there is more before them.

    ``size`` is all of it, in bytes; ``modified`` is when the file was written last, by this machine's clock.
    """

    path: Path
    lines: tuple[bytes, ...]
    whole: bool
    size: int
    modified: datetime


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
    return tuple(sorted(path for path in found if not (_ROTATED.search(path.name) and path.with_suffix("") in found)))


def tail(target: str, path: Path, setting: str, *, since: datetime, max_bytes: int) -> Tail:
    """The end of a log: at most ``max_bytes``, going on in its rotated neighbour ``.1`` where that is as young.

    A log that was not written since then is not read at all. Raises ProbeError naming the path.
    """
    try:
        size, modified = _known(path)
        if modified < since:
            return Tail(path, (), whole=True, size=size, modified=modified)
        end, whole = _continued(path, since, max_bytes)
    except OSError as error:
        raise _unseen(target, str(path), setting, error) from error
    lines = end.split(b"\n")[0 if whole else 1 :]  # where there is more before, the first one is cut in its middle
    return Tail(path, tuple(filter(bytes.strip, lines)), whole, size, modified)


def _continued(path: Path, since: datetime, most: int) -> tuple[bytes, bool]:
    end, whole = _last(path, most)
    older = path.with_name(f"{path.name}.1")
    if whole and len(end) < most and older.is_file() and _known(older)[1] >= since:
        before, whole = _last(older, most - len(end))
        end = before + end
    return end, whole


def _last(path: Path, most: int) -> tuple[bytes, bool]:
    """The last bytes of a file, and whether they are all of it."""
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
