"""Folders of throwaway clusters: each is locked by who made it, and gone with its server soon after its maker is.

The lock is the kernel's, on the folder itself: it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runbook.errors import SettingsError
from runbook.text import size, text

_PREFIX = "muses-proof-"
PORT = 5432
#: The address of a socket is at most 107 bytes long, its own name included.
_LONGEST = 107 - len(f"/.s.PGSQL.{PORT}")
#: How long a server is given to end before it is killed.
STOPPING = 30.0


def folder_of(place: Path | None) -> Path:
    """Where throwaway clusters lie. Raises SettingsError where there can be none."""
    below = place or Path(tempfile.gettempdir())
    try:
        below.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        said = text("{folder} cannot be made: {reason}", folder=below, reason=error.strerror or "–")
        raise SettingsError(said, key="backup.proof") from error
    return below.resolve()


def check_room(below: Path, need: int) -> None:
    """Raise SettingsError unless so many bytes are free."""
    if (free := shutil.disk_usage(below).free) < need:
        said = text(
            "{folder} has {free} free, restoring needs {need}: set backup.proof to a folder with more room",
            folder=below,
            free=size(free),
            need=size(need),
        )
        raise SettingsError(said, key="backup.proof")


def sweep(below: Path) -> tuple[Path, ...]:
    """Remove the clusters whose makers are dead, with the servers that outlived them; gives their folders."""
    return tuple(folder for folder in sorted(below.glob(f"{_PREFIX}*")) if _swept(folder))


def _swept(folder: Path) -> bool:
    """The lock on the folder is gone with the process that made it, however that ended."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False  # another user's, or just going
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        _stop_stray(folder)
        _remove(folder)
        return True
    finally:
        os.close(handle)


@contextmanager
def own_folder(below: Path) -> Iterator[Path]:
    """A new folder, locked as long as we live, gone afterwards."""
    folder, handle = _locked_folder(below)
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(handle)


def _locked_folder(below: Path) -> tuple[Path, int]:
    """Between making and locking it, another's sweep may take it for a stray one: then the next."""
    try:
        while True:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=below))
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if folder.exists() and os.path.samestat(folder.stat(), os.fstat(handle)):
                return folder, handle
            os.close(handle)
    except OSError as error:
        said = text("Nothing can be written to {folder}: {reason}", folder=below, reason=error.strerror or "–")
        raise SettingsError(said, key="backup.proof") from error


def _stop_stray(folder: Path) -> None:
    """Stop the server of a dead maker; a number alone proves nothing, its command line must name the folder."""
    data = folder / "data"
    with suppress(OSError, ValueError, IndexError):
        number = int((data / "postmaster.pid").read_text().split()[0])
        ends = time.monotonic() + STOPPING
        while os.fsencode(data) in Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0"):
            os.kill(number, signal.SIGQUIT if time.monotonic() < ends else signal.SIGKILL)
            time.sleep(0.05)


def _remove(folder: Path) -> None:
    for one in (folder, sockets_of(folder)):
        shutil.rmtree(one, ignore_errors=True)


def sockets_of(folder: Path) -> Path:
    """Where a cluster's socket lies: in the folder itself, unless its address would be too long for one."""
    if len(os.fsencode(folder)) <= _LONGEST:
        return folder
    return Path(tempfile.gettempdir()) / f"{folder.name}.sockets"
