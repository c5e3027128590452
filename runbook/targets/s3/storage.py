"""The object store of backups and archives, by the S3 protocol. Reads only."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from runbook.errors import NotConfigured
from runbook.probes import probe
from runbook.settings import ArchiveSettings, Keys, StorageSettings
from runbook.targets.base import Target
from runbook.targets.rights import Right
from runbook.targets.s3 import archive_probes
from runbook.targets.s3.archive_probes import Sample
from runbook.targets.s3.archives import Archived
from runbook.targets.s3.backups import Backup, Listing, Object, read_backup
from runbook.targets.s3.clients import PROBING, connected, where
from runbook.targets.s3.exposure import Exposure, exposures
from runbook.targets.s3.failures import as_probe_errors
from runbook.targets.s3.rights import Identity, rights_of

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How many of the newest manifests are read; older backups are retention's business.
NEWEST = 5
_ARCHIVE = "s3:ListBucket, s3:GetObject and s3:GetObjectVersion on the archive bucket"
_CONFIGURED = (
    "s3:GetBucketAcl, s3:GetBucketPolicyStatus, s3:GetBucketPublicAccessBlock, s3:GetBucketVersioning, "
    "s3:GetEncryptionConfiguration, s3:ListBucket"
)
_GUARDS = f"{_CONFIGURED} on the backup bucket; {_CONFIGURED}, s3:GetObject on the archive bucket"
#: For what lists or reads more than a few objects.
_LONG = timedelta(seconds=12)


class Storage(Target):
    """The object store of one environment."""

    kind: ClassVar[str] = "storage"

    def __init__(
        self, name: str, settings: StorageSettings | None, *, environment: str, archive: ArchiveSettings | None = None
    ) -> None:
        super().__init__(name)
        self._archive = archive or ArchiveSettings()
        self._given, self._setting = settings, f"environments.{environment}.storage"
        self._making = threading.Lock()
        self._client: Any = None

    @probe(needs="s3:ListBucket and s3:GetObject on the backup bucket")
    def backups(self) -> tuple[Backup, ...]:
        """The newest published backups (those with a manifest), newest first by the time of their manifest.

        One whose manifest cannot be read is among them, not verified, with its ``problem``. Empty when none is
        published; a list that cannot be had is an error, never an empty list. Reads only.
        """
        with self._failures():
            listing = self._listing()
            manifests = listing.manifests[:NEWEST]
            read = [read_backup(self._reader, self._settings.backup_bucket, found) for found in manifests]
        return tuple(sorted(read, key=lambda backup: backup.finished_at, reverse=True))

    @probe(needs="s3:ListBucket on the backup bucket")
    def unpublished(self) -> int:
        """How many folders hold a backup without its manifest: on its way, or broken off. Reads only."""
        with self._failures():
            return self._listing().unpublished

    @probe(needs=_ARCHIVE, deadline=_LONG)
    def archives(self) -> tuple[Archived, ...]:
        """The newest published batches of every archived table, newest first. Reads only.

        One whose manifest cannot be read is among them, with its ``problem``; a list that cannot be had is an error.
        """
        with self._failures(self._archive_bucket):
            return archive_probes.newest(self._reader, self._archive_bucket, self._archive.prefix)

    @probe(needs=_ARCHIVE, deadline=_LONG)
    def archive_sample(self, count: int) -> Sample:
        """So many batches of the archive read back whole, on each day others. Reads only."""
        today = datetime.now(UTC).date()
        with self._failures(self._archive_bucket):
            return archive_probes.sample(self._reader, self._archive_bucket, self._archive.prefix, count, today)

    @probe(needs=_GUARDS, deadline=_LONG)
    def exposures(self) -> tuple[Exposure, ...]:
        """What of the backup bucket and the archive's is open to others, versioned and encrypted. Reads only."""
        with self._failures():
            return exposures(self.name, self._reader, self._settings, self._archive)

    @probe(deadline=timedelta(seconds=15))
    def rights(self) -> tuple[Right, ...]:
        """What the reader and the operator may do, and the policy that lets them. Reads only."""
        settings = self._settings
        with self._failures():
            clients: dict[Identity, Any] = {"reader": self._reader}
            if settings.operator is not None:
                clients["operator"] = self._made(settings.operator)
            return rights_of(clients, settings)

    def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            self._client.close()

    def _listing(self) -> Listing:
        settings = self._settings
        pages = self._reader.get_paginator("list_objects_v2").paginate(
            Bucket=settings.backup_bucket, Prefix=settings.backup_prefix
        )
        return Listing(settings.backup_prefix, tuple(_objects(pages)))

    def _failures(self, bucket: str | None = None) -> Any:
        return as_probe_errors(self.name, where(self._settings), bucket or self._settings.backup_bucket)

    @property
    def _archive_bucket(self) -> str:
        """Raises NotConfigured where the site keeps no archive."""
        if self._settings.archive_bucket is None:
            raise NotConfigured(self.name, f"{self._setting}.archive_bucket")
        return self._settings.archive_bucket

    @property
    def _reader(self) -> Any:
        """One client for all probes: it may be shared between threads, making it may not."""
        with self._making:
            if self._client is None:
                self._client = self._made(self._settings.reader)
        return self._client

    def _made(self, keys: Keys) -> Any:
        return connected(self.name, self._settings, keys, PROBING)

    @property
    def _settings(self) -> StorageSettings:
        if self._given is None:
            raise NotConfigured(self.name, self._setting)
        return self._given


def _objects(pages: Any) -> Iterator[Object]:
    for page in pages:
        for found in page.get("Contents", ()):
            yield Object(found["Key"], found["Size"], found["LastModified"])
