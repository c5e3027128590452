"""One acting run per target and machine: a lock on a file, held by the kernel and gone with the process.

(A lock across machines, in the database or the object store, comes with approvals and fencing.)
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runbook.errors import LockError


@contextmanager
def acting_on(environment: str, folder: Path) -> Iterator[None]:
    """Hold the environment's targets for the time of an acting run.

    Raises LockError at once, naming the process that holds them, when another run acts; and when the lock cannot
    be made, because then it could not be known.
    """
    path = folder / f"acting-{environment}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise LockError(f"the lock {path} cannot be made: {error.strerror}; nothing acts") from error
    try:
        _take(handle, path)
        yield
    finally:
        os.close(handle)


def _take(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
        raise LockError(f"another acting run holds {path.stem} (process {holder}); wait for it or stop it") from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
