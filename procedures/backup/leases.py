"""A lease on a backup, seen by every machine: nobody's retention removes what is being written, restored or proven.

A lease is an object that is replaced every minute by a younger one. Whoever dies stops doing so, and ten minutes later
the lease counts no more. Ages are the storage's own.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from runbook.errors import RunbookError
from runbook.targets.s3.answers import Stored
from runbook.targets.s3.leases import beating
from runbook.targets.s3.objects import ObjectStore

_BEAT, LASTS = timedelta(seconds=60), timedelta(minutes=10)
_FOLDER = ".leases/"


@contextmanager
def leased(store: ObjectStore, prefix: str, folder: str) -> Iterator[None]:
    """Hold a lease on a backup's folder within the block. Raises ActionError where it cannot be written."""
    holder = secrets.token_hex(4)
    where = f"{prefix}{_FOLDER}{folder.removeprefix(prefix)}{holder}"
    newest = [store.put_new(f"{where}-0.json", b"{}", content_type="application/json")]
    numbers = itertools.count(1)

    def beat() -> None:
        with suppress(RunbookError):  # one missed beat is no end of a lease
            key = f"{where}-{next(numbers)}.json"
            newest.append(store.put_new(key, b"{}", content_type="application/json"))
            _remove(store, newest.pop(0))

    try:
        with beating(beat, _BEAT):
            yield
    finally:
        for stored in newest:
            _remove(store, stored)


def leased_folders(store: ObjectStore, prefix: str) -> frozenset[str]:
    """The folders that somebody holds just now. Raises ProbeError: a list that cannot be had is not an empty one."""
    now = datetime.now(UTC) - store.clock_skew()
    where = f"{prefix}{_FOLDER}"
    return frozenset(
        prefix + item.key.removeprefix(where).rpartition("/")[0] + "/"
        for item in store.list(where)
        if now - item.modified < LASTS
    )


def _remove(store: ObjectStore, stored: Stored) -> None:
    with suppress(RunbookError):  # what stays of it counts no more in ten minutes
        store.remove(stored.key, stored.version)
