"""One batch as an independent task: it can be done by any thread or process that reaches the database and the storage.

Doing it twice is harmless: every step looks in the ledger first, and every transaction is fenced by the run's epoch.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import msgspec

from procedures.purge import milestones
from procedures.purge.archiving import Archivist, Proven
from procedures.purge.deleting import Deleter
from procedures.purge.ledger import Ledger
from procedures.purge.ledger_structs import Batch
from procedures.purge.selection import Rules
from procedures.purge.tables import Table
from procedures.purge.throttling import Throttle
from runbook.errors import ActionError, ProbeError, ProbeFailure
from runbook.settings import ArchiveSettings, PurgeSettings, StorageSettings
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.working import Lost, working
from runbook.targets.s3.objects import ObjectStore, open_store

#: A batch reads a few blocks of its table: with parallel workers at hand the planner would rather scan all of it.
_BY_ITSELF = "SET max_parallel_workers_per_gather = 0"
#: A chunk's deletion and its progress are one transaction, and the server's log keeps the order of all: a crash can
#: only bring back rows that the ledger then has as still to go. So no chunk waits for the disk; the run's own last
#: commit makes all of them durable.
_WITHOUT_WAITING = "SET synchronous_commit = off"
#: How often a batch is begun anew when the connection is lost under it.
_TRIES = 3


@dataclass(frozen=True)
class Place:
    """Where a purge works, and with which settings: plain values, secrets only as references."""

    access: Access
    storage: StorageSettings
    archive: ArchiveSettings
    purge: PurgeSettings


@dataclass(frozen=True)
class Task:
    """One batch with all that is needed to do it. ``drops``: its table is dropped as a whole once all is archived."""

    place: Place
    rules: Rules
    table: Table
    batch: Batch
    drops: bool = False


def work(task: Task) -> None:
    """Archive, prove and delete the batch, as far as that is not done yet.

    Raises Fenced where the run was taken over, ActionError for all that fails; nothing is lost by either.
    """
    for last in [*[False] * (_TRIES - 1), True]:
        try:
            return _work(task)
        except Lost:
            if last:
                raise
    return None


def _work(task: Task) -> None:
    place = task.place
    with working(place.access, "purge") as connection:
        connection.execute(_BY_ITSELF)
        connection.execute(_WITHOUT_WAITING)
        ledger = Ledger(connection, place.purge.state_schema)
        batch = _claimed(ledger, task.batch)
        milestones.reached("batch claimed")
        if batch.state == "DONE":
            return
        throttle = Throttle(connection, ledger, place.purge.throttle)
        throttle.wait(batch)
        archivist = Archivist(connection, store_of(place), place.archive, task.rules, task.table)
        proven = _proven(archivist, ledger, batch)
        if proven is None or task.drops:
            return
        deleter = Deleter(ledger, place.access, place.archive, task.rules, task.table)
        careful = batch.state != "PLANNED" or batch.epoch > 1  # archived earlier, perhaps under other holds
        deleter.delete(_claimed(ledger, batch), proven, throttle, place.purge.chunk_rows, careful=careful)
        milestones.reached("all chunks committed")
        with connection.transaction():
            ledger.done(ledger.locked(batch))
        milestones.reached("batch done")


def _claimed(ledger: Ledger, batch: Batch) -> Batch:
    with ledger.connection.transaction():
        return ledger.locked(batch)


def _proven(archivist: Archivist, ledger: Ledger, batch: Batch) -> Proven | None:
    """The batch as it came back from the archive, written down as VERIFIED; None, and DONE, where it has no rows."""
    if batch.state == "PLANNED":
        proven = archivist.archived(batch, look_first=batch.epoch > 1)
        with ledger.connection.transaction():
            batch = ledger.locked(batch)
            if proven is None:
                ledger.done(batch)
            elif batch.state == "PLANNED":
                ledger.verified(batch, proven.manifest_key, proven.manifest)
            milestones.reached("verified, before commit")
        milestones.reached("verified")
        if proven is None or batch.state == "PLANNED":
            return proven
    if batch.manifest is None or batch.manifest_key is None:
        return None
    try:
        return archivist.read_back(batch.manifest_key, batch.manifest)
    except (ActionError, ProbeError) as error:
        if batch.position or not _is_damage(error):
            raise  # rows of it are gone from the table: the archive must be mended, row ARCH-02 says how
        with ledger.connection.transaction():
            ledger.unproven(ledger.locked(batch))
    return _proven(archivist, ledger, msgspec.structs.replace(batch, state="PLANNED", manifest=None))


def _is_damage(error: ActionError | ProbeError) -> bool:
    """Whether the object is gone or not what it was, rather than out of reach just now."""
    return isinstance(error, ActionError) or error.kind is ProbeFailure.ABSENT


_stores: dict[bytes, ObjectStore] = {}
_making = threading.Lock()


def store_of(place: Place) -> ObjectStore:
    """The archive as the operator sees it: one client a process, since making one takes longer than a batch."""
    known_by = msgspec.json.encode((place.storage, place.archive), enc_hook=str)
    with _making:
        if known_by not in _stores:
            bucket = place.storage.archive_bucket or ""
            _stores[known_by] = open_store("storage", place.storage, place.archive, identity="operator", bucket=bucket)
        return _stores[known_by]


def close_stores() -> None:
    """Let go of this process's clients."""
    with _making:
        while _stores:
            _stores.popitem()[1].close()
