"""One nightly run at a time, and which reports stay."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from runbook.errors import LockError
from runbook.history.nights import Night
from runbook.text import text


@contextmanager
def alone(state: Path, names: Sequence[str]) -> Iterator[None]:
    """Hold the environments' nightly locks on this machine. Raises LockError at once when another run has one."""
    with ExitStack() as held:
        for name in sorted(names):
            handle = held.enter_context(_opened(state / f"nightly-{name}.lock"))
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "?"
                said = text(
                    "Another nightly run of {environment} is under way (process {holder}): wait for it or stop it",
                    environment=name,
                    holder=holder,
                )
                raise LockError(said) from error
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield


@contextmanager
def writing_pages(state: Path) -> Iterator[None]:
    """Wait for the nightly run of another environment to have written the pages: there is one index for all."""
    with _opened(state / "nightly-pages.lock") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def could_remove(night: Night, root: Path) -> bool:
    """Remove a night's reports below ``root`` and nothing else: what others put there stays. Whether they are gone."""
    folder = root / night.run
    if not night.run or folder.is_symlink():
        return True
    try:
        for path in folder.glob(f"{night.run}*"):
            path.unlink(missing_ok=True)
    except OSError:
        return False
    with suppress(OSError):
        folder.rmdir()
    return True


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        said = text("The lock {path} cannot be made ({reason}): see site.state", path=path, reason=error.strerror)
        raise LockError(said) from error
    try:
        yield handle
    finally:
        os.close(handle)
