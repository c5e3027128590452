"""The lease of acting runs in an object store: a row of numbered objects, each of which only one run can write.

To hold the lease is to have written the object of the highest number, lately. Taking it, keeping it and proving it are
all the same: write the next number, where nothing is (``If-None-Match: *``). Whoever finds that number taken has lost
it. So the numbers are the epochs, the store decides between two, and who was paused for long learns it before he acts.
Ages are by the store's own clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import msgspec

from runbook.errors import ActionError, LockError, NotConfigured, ProbeError, ProbeFailure, RunbookError
from runbook.settings import BackupSettings, StorageSettings
from runbook.targets.s3.answers import AlreadyThere
from runbook.targets.s3.clients import Patience, connected, where
from runbook.targets.s3.encryption import protection_of
from runbook.targets.s3.failures import as_probe_errors
from runbook.targets.s3.objects import Object, ObjectStore
from runbook.text import text

#: A lease is renewed so often, and counts no more when it was not for so long.
BEAT, LASTS = timedelta(seconds=60), timedelta(minutes=5)
#: What is older than this and not the newest is swept away: nobody can still be writing next to it.
_OLD = timedelta(hours=1)
_DIGITS = 12
_PATIENCE = Patience(connect=2.0, read=4.0, attempts=2)


class Holding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the newest object says: who holds the lease, on which machine, or that nobody does any more."""

    holder: str
    machine: str = ""
    released: bool = False


class StorageLease:
    """The lease of one run, below ``acting.lease_prefix`` in the bucket of the backups.

    ``machine`` names this machine's own lock, which whoever takes the lease holds: what lies there under the same name
    is of a run that is dead. Empty: that is not known, and a lease counts for its time.
    """

    def __init__(self, settings: StorageSettings, kept: BackupSettings, prefix: str, machine: str = "") -> None:
        self._settings, self._kept, self._prefix, self._machine = settings, kept, prefix, machine
        self._opened: ObjectStore | None = None
        self._number, self._holder = 0, ""

    def take(self, holder: str) -> int:
        """Take it and give its epoch. Raises LockError when another run has it, ProbeError where it cannot be had."""
        try:
            return self._taken(holder)
        except BaseException:
            self._close()
            raise

    def _taken(self, holder: str) -> int:
        now = datetime.now(UTC) - self._store.clock_skew()
        standing = self._standing()
        newest = max(standing, default=0)
        if newest:
            self._free(standing[newest], now)
        self._number, self._holder = newest, holder
        try:
            self._next()
            self._try_the_condition()
        except ActionError as error:
            raise ProbeError(self._store.target, ProbeFailure.DENIED, error.said) from error
        self._sweep(now)
        return self._number

    def prove(self) -> None:
        """Raises LockError unless the lease is ours at this moment; renews it."""
        try:
            self._next()
        except (ActionError, ProbeError) as error:
            raise LockError(text("The lease in the store cannot be proven: {reason}", reason=error.said)) from error

    def release(self) -> None:
        """Let it go. What cannot be let go counts no more after a while."""
        if self._opened is not None:
            with suppress(RunbookError):
                self._next(released=True)
            self._close()

    @property
    def _store(self) -> ObjectStore:
        if self._opened is None:
            self._opened = _store(self._settings, self._kept)
        return self._opened

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _next(self, *, released: bool = False) -> None:
        """Write the next number and see that it is the highest: after a long pause, others may have come and gone."""
        body = msgspec.json.encode(Holding(self._holder, self._machine, released))
        try:
            self._store.put_new(self._key(self._number + 1), body, content_type="application/json")
        except AlreadyThere as error:
            raise LockError(text("The lease in the store was lost: another run took it")) from error
        if max(self._standing(), default=0) != self._number + 1:
            raise LockError(text("The lease in the store was lost: another run took it"))
        self._number += 1

    def _try_the_condition(self) -> None:
        """Write our own number once more, which must fail. Raises ProbeError where the store writes over it."""
        try:
            self._store.put_new(self._key(self._number), msgspec.json.encode(Holding("", released=True)))
        except AlreadyThere:
            return
        said = text("{where} writes over what is there: it gives no lease", where=self._store.where)
        raise ProbeError(self._store.target, ProbeFailure.BROKEN, said)

    def _standing(self) -> dict[int, Object]:
        """Number → object. Raises LockError for what is none of ours: then it is not known who holds it."""
        found = {}
        for item in self._store.list(self._prefix):
            name = item.key.removeprefix(self._prefix)
            if not (name.endswith(".json") and name[:-5].isdecimal() and len(name) == _DIGITS + 5):
                raise _malformed(item.key)
            found[int(name[:-5])] = item
        return found

    def _free(self, newest: Object, now: datetime) -> None:
        """Raises LockError unless nobody holds it."""
        try:
            holding = msgspec.json.decode(self._store.read(newest.key), type=Holding)
        except msgspec.DecodeError as error:
            raise _malformed(newest.key) from error
        is_our_dead = bool(self._machine) and holding.machine == self._machine
        if not holding.released and not is_our_dead and now - newest.modified < LASTS:
            raise LockError(
                text("Another acting run holds the lease ({holder}): wait for it or stop it", holder=holding.holder)
            )

    def _sweep(self, now: datetime) -> None:
        """Remove what counts no more; what cannot be removed does no harm."""
        with suppress(RunbookError):
            for one in self._store.versions(self._prefix):
                if now - one.modified > _OLD and one.key < self._key(self._number):
                    self._store.remove(one.key, one.version)

    def _key(self, number: int) -> str:
        return f"{self._prefix}{number:0{_DIGITS}d}.json"


def _store(settings: StorageSettings, kept: BackupSettings) -> ObjectStore:
    """The bucket under the operator, who does not wait long: a lock that is not had soon is not had."""
    if settings.operator is None:
        raise NotConfigured("storage", "storage.operator")
    with as_probe_errors("storage", where(settings), settings.backup_bucket):
        client = connected("storage", settings, settings.operator, _PATIENCE)
        return ObjectStore("storage", settings, protection_of(kept), settings.backup_bucket, client)


@contextmanager
def beating(beat: Callable[[], None], every: timedelta = BEAT) -> Iterator[None]:
    """Have something done again and again, on a thread of its own, within the block."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(every.total_seconds()):
            beat()

    thread = threading.Thread(target=go_on, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _malformed(key: str) -> LockError:
    return LockError(text("{key} is no lease that can be read: see what it is, and remove it", key=key))
