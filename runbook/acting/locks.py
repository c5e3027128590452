"""One acting run at a time: on this machine by a lock on a file, across machines by the database and the object store.

The file's lock is the kernel's and gone with the process. Beside it a run holds the database's lock when that answers
and the store's lease when that does; where neither can be had, nothing acts on what other machines can reach too. Every
lock has an epoch that fences off who had it before, and is proven again just before each action.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, cast

from runbook.errors import LockError, ProbeError
from runbook.settings import EnvironmentSettings
from runbook.text import Text, text

#: Seconds in which who only looks whether somebody acts has looked.
_MOMENT = 0.3


class Lock(Protocol):
    """A lock that other machines see."""

    def take(self, holder: str) -> int:
        """Its epoch. Raises LockError when another run has it, ProbeError where it cannot be had."""

    def prove(self) -> None:
        """Raises LockError unless it is ours at this moment."""

    def release(self) -> None:
        """Let it go."""


class Ledger(Protocol):
    """A lock that remembers, for all machines, what was tried. Raises ProbeError."""

    def attempts(self, row: str, since: timedelta) -> list[dict[str, Any]]:
        """When a remedy of the row was tried: at, run, targets, outcome."""

    def note_attempt(self, row: str, run: str, targets: Collection[str]) -> None:
        """A remedy is about to be tried."""

    def note_outcome(self, row: str, run: str, outcome: str) -> None:
        """What came of it."""


@dataclass
class Hold:
    """What an acting run holds. ``epochs`` says which locks of other machines' sight, and their epochs."""

    locks: Mapping[str, Lock] = field(default_factory=dict)
    epochs: Mapping[str, int] = field(default_factory=dict)
    _lost: LockError | None = None
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def prove(self) -> None:
        """Raises LockError unless every lock is still ours; one that was lost once is lost for good."""
        with self._one_at_a_time:
            if self._lost is None:
                self._lost = _lost(self.locks)
            if self._lost is not None:
                raise self._lost

    @property
    def ledger(self) -> Ledger | None:
        """The database's, where its lock is held: the store remembers nothing."""
        return cast(Ledger | None, self.locks.get("database"))

    def keep(self) -> None:
        """Renew the locks; one that is lost shows at the next proof."""
        try:
            self.prove()
        except LockError:
            return


@contextmanager
def acting_alone(settings: EnvironmentSettings, environment: str, folder: Path, run: str) -> Iterator[Hold]:
    """Hold the environment's targets against runs here and on other machines, for the time of an acting run.

    Raises LockError at once when another run acts, and where it cannot be known whether one does.
    """
    holder = f"{socket.gethostname()}, process {os.getpid()}, run {run}"
    with acting_on(environment, folder), ExitStack() as released:
        locks = _shared_locks(settings, environment, _machine(folder, environment))
        hold = _held(locks, settings, holder, released)
        if hold.locks:
            from runbook.targets.s3.leases import beating

            released.enter_context(beating(hold.keep))
        yield hold


@contextmanager
def acting_on(environment: str, folder: Path) -> Iterator[None]:
    """Hold the environment's targets on this machine.

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


def is_held(environment: str, folder: Path) -> bool:
    """Whether a run of this machine acts just now; also while it cannot be told. Holds nothing up but for a moment."""
    path = folder / f"acting-{environment}.lock"
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _held(locks: Mapping[str, Lock], settings: EnvironmentSettings, holder: str, released: ExitStack) -> Hold:
    """Take every lock that can be had; the first that somebody else has ends it."""
    taken: dict[str, Lock] = {}
    epochs: dict[str, int] = {}
    missing: dict[str, Text] = {}
    for name, lock in locks.items():
        try:
            epochs[name] = lock.take(holder)
        except ProbeError as error:
            missing[name] = error.said
        else:
            taken[name] = lock
            released.callback(lock.release)
    if missing and (not taken or settings.acting.needs == "all"):
        _may_do_without(settings, missing)
    elif not taken and _shared(settings):
        _may_do_without(settings, {})
    return Hold(taken, epochs)


def _may_do_without(settings: EnvironmentSettings, missing: Mapping[str, Text]) -> None:
    """Raises LockError unless the site says that no other machine acts."""
    if settings.acting.machines == "one":
        return
    reasons = "; ".join(f"{name}: {said}" for name, said in missing.items())
    if not reasons:
        reasons = str(text("neither database.operator nor storage.operator is set"))
    raise LockError(
        text(
            "It cannot be known whether another machine acts ({reasons}): nothing acts here. Where only this machine "
            'does, set acting.machines = "one"',
            reasons=reasons,
        )
    )


def _shared(settings: EnvironmentSettings) -> bool:
    """Whether there is anything that another machine could act on too."""
    targets = (settings.database, settings.broker, settings.storage, settings.workers)
    return any(target is not None for target in targets)


def _machine(folder: Path, environment: str) -> str:
    """This machine's name for its lock: its host's, and a number of its own, because hosts are cloned and renamed."""
    path = folder / f"acting-{environment}.id"
    try:
        if not path.exists():
            path.write_text(secrets.token_hex(16))
        number = path.read_text().strip()
    except OSError:
        return ""
    return f"{socket.gethostname()} {number}" if number else ""


def _shared_locks(settings: EnvironmentSettings, environment: str, machine: str) -> dict[str, Lock]:
    """The locks that the site file gives an operator for. None is taken and nothing is asked yet."""
    locks: dict[str, Lock] = {}
    if settings.database is not None and settings.database.operator is not None:
        from runbook.targets.postgres.access import Access
        from runbook.targets.postgres.acting_lock import DatabaseLock

        access = Access("database", f"environments.{environment}.database", settings.database)
        locks["database"] = DatabaseLock(access, settings.purge.state_schema)
    if settings.storage is not None and settings.storage.operator is not None:
        from runbook.targets.s3.leases import StorageLease

        locks["storage"] = StorageLease(settings.storage, settings.backup, settings.acting.lease_prefix, machine)
    return locks


def _lost(locks: Mapping[str, Lock]) -> LockError | None:
    try:
        for lock in locks.values():
            lock.prove()
    except LockError as error:
        return error
    return None


def _take(handle: int, path: Path) -> None:
    """At once, but for the moment in which somebody only looks."""
    ends_at = time.monotonic() + _MOMENT
    while (error := _taken(handle)) is not None and time.monotonic() < ends_at:
        time.sleep(0.02)
    if error is not None:
        holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
        raise LockError(f"another acting run holds {path.stem} (process {holder}); wait for it or stop it") from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)


def _taken(handle: int) -> OSError | None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error
    return None
