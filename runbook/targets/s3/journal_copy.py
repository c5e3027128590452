"""A copy of the journal in an object store: an object a line, locked in compliance mode, which nobody can lift.

The key says the entry's number and its hash, and the hash covers the line and all before it: so a list alone tells what
the copy holds. Versions are listed, not objects: a marker of deletion hides nothing, and a second hash is seen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from runbook.errors import JournalError, RunbookError
from runbook.settings import BackupSettings, JournalSettings, StorageSettings
from runbook.targets.s3.answers import AlreadyThere
from runbook.targets.s3.clients import Patience, connected, where
from runbook.targets.s3.encryption import protection_of
from runbook.targets.s3.failures import as_probe_errors
from runbook.targets.s3.objects import ObjectStore
from runbook.text import text

_PATIENCE = Patience(connect=2.0, read=8.0, attempts=3)
_KEY = re.compile(r"(\d{12})-([0-9a-f]{64})\.json")


class StorageCopy:
    """The copy of the journal of the machine called ``name``."""

    def __init__(self, settings: StorageSettings, kept: BackupSettings, journal: JournalSettings, name: str) -> None:
        self._settings, self._kept, self._journal = settings, kept, journal
        self._bucket = journal.bucket or settings.backup_bucket
        self._prefix = f"{journal.prefix}{name}/"
        self._opened: ObjectStore | None = None

    def held(self) -> Mapping[int, Collection[str]]:
        """Number → hashes of the entries there. Raises JournalError where that cannot be seen."""
        found: dict[int, set[str]] = {}
        try:
            versions = self._store.versions(self._prefix)
        except RunbookError as error:
            raise _unseen(error) from error
        for one in versions:
            if parsed := _KEY.fullmatch(one.key.removeprefix(self._prefix)):
                found.setdefault(int(parsed[1]), set()).add(parsed[2])
        return found

    def keep(self, number: int, digest: str, line: bytes) -> None:
        """Write and lock one entry, and see that the server says it is locked. Raises JournalError."""
        key = f"{self._prefix}{number:012d}-{digest}.json"
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=self._journal.lock_days)
        try:
            try:
                version = self._store.put_new(
                    key, line, content_type="application/json", lock_until=until, lock_mode="COMPLIANCE"
                ).version
            except AlreadyThere:  # an earlier try, whose answer was lost
                version = None
            locked = self._store.facts(key, version).locked_until
        except RunbookError as error:
            raise _unseen(error) from error
        if locked is None or locked < datetime.now(UTC):
            raise JournalError(
                text(
                    "Bucket {bucket} does not lock what is written: the copy of the journal could be rewritten. Make a "
                    "bucket with object lock and name it in journal.bucket",
                    bucket=self._bucket,
                )
            )

    @property
    def _store(self) -> ObjectStore:
        if self._opened is None:
            keys = self._journal.keys or self._settings.operator
            with as_probe_errors("storage", where(self._settings), self._bucket):
                client = connected("storage", self._settings, keys, _PATIENCE)
                self._opened = ObjectStore("storage", self._settings, protection_of(self._kept), self._bucket, client)
        return self._opened


def _unseen(error: RunbookError) -> JournalError:
    return JournalError(text("The copy of the journal cannot be used: {reason}. Nothing acts", reason=error.said))
