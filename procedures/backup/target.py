"""The backup as a target of rows: what lies there, by the reader; the procedure itself, by the operator."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, LiteralString

from procedures.backup import journalled, looking
from procedures.backup.facts import Attempt, Backups, Bucket, Guarded, HostTimers, Operating, Published, Wanted
from procedures.backup.retention import Circumstances, Retention, decide
from procedures.backup.rights import reads_all, reads_large_objects
from runbook.acting.copies import journal_file
from runbook.errors import ActionError, NotConfigured, ProbeError
from runbook.model import Effect, Step
from runbook.probes import probe
from runbook.redact import masked_words
from runbook.settings import DatabaseSettings, HostsSettings, StorageSettings
from runbook.site import Site
from runbook.slots import Slot
from runbook.targets.base import Target, operation
from runbook.targets.hosts.shell import host_name
from runbook.targets.hosts.timers import Timers
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.connection import Readers
from runbook.targets.rights import Right
from runbook.text import Text, text
from runbook.traces import Trace, halfway

if TYPE_CHECKING:
    from runbook.targets.s3.objects import ObjectStore

_OBJECTS = "s3:ListBucket and s3:GetObject on the backup bucket"
_GUARDED = "s3:GetObject, s3:GetObjectVersion, s3:GetObjectRetention on the backup bucket"
_GUARDS = "s3:GetBucketPolicy, s3:GetBucketVersioning, s3:GetEncryptionConfiguration on the backup bucket"
_BACKUP = (
    "PostgreSQL role pg_monitor, role pg_read_all_data, SELECT on all large objects; "
    "s3:ListBucket, s3:ListBucketVersions, s3:ListBucketMultipartUploads, s3:GetBucketVersioning, "
    "s3:GetEncryptionConfiguration, s3:GetBucketPolicy, s3:GetBucketPolicyStatus, s3:GetBucketPublicAccessBlock, "
    "s3:GetBucketAcl, s3:GetObject, s3:GetObjectVersion, s3:GetObjectRetention, s3:PutObject, s3:PutObjectRetention, "
    "s3:DeleteObject, s3:DeleteObjectVersion, s3:AbortMultipartUpload on the backup bucket"
)
_IDENTIFIER: LiteralString = "SELECT system_identifier::text AS identifier FROM pg_control_system()"
#: For what reads more than a few objects.
_LONG = timedelta(seconds=10)
#: A large database takes hours. Stopped at any moment nothing is published, and nothing is lost.
LONGEST = timedelta(hours=12)


class Backup(Target):
    """The backups of one environment's database."""

    kind: ClassVar[str] = "backup"

    def __init__(self, name: str, site: Site) -> None:
        super().__init__(name)
        self._site, self._stopping, self._making = site, threading.Event(), threading.Lock()
        self._setting = f"environments.{site.environment.name}"
        self._store: ObjectStore | None = None
        given = site.settings.database
        self._readers = None if given is None else Readers(Access("database", f"{self._setting}.database", given))

    @property
    def wanted(self) -> Wanted:
        """What the site file asks of backups."""
        asked = self._site.settings.backup
        return Wanted(
            encryption=asked.encryption,
            sealed=bool(asked.age_recipients),
            lock_days=asked.lock_days,
            keep=asked.keep,
            prefix=self._storage.backup_prefix,
        )

    @property
    def slots(self) -> Mapping[str, Slot]:
        """When which job is planned, by the site file."""
        return self._site.settings.schedule.slots()

    def today(self) -> str:
        """The day of the site's calendar."""
        return datetime.now(self._site.zone).date().isoformat()

    def day_of(self, one: Published) -> str:
        """The day of the site's calendar that a backup is for: by its word, else the day on which it was finished."""
        said = one.manifest.local_date if one.manifest else ""
        return said or one.finished_at.astimezone(self._site.zone).date().isoformat()

    @probe(needs=_OBJECTS, deadline=_LONG)
    def backups(self) -> Backups:
        """The newest published backups and proofs, and what is not published. Reads only.

        Those whose manifest cannot be read are among them, with their ``problem``; a list that cannot be had is an
        error, never an empty one.
        """
        return looking.backups(self._reader, self._storage.backup_prefix)

    @probe(needs=_GUARDED)
    def guarded(self, key: str, version: str | None) -> Guarded:
        """What the storage says of one object. Reads only."""
        return looking.guarded(self._reader, key, version)

    @probe(needs=_GUARDS)
    def bucket(self) -> Bucket:
        """What guards the bucket. Reads only."""
        return looking.bucket(self._reader)

    @probe(needs="the operator's keys, for reading", channel="operator")
    def operating(self) -> Operating:
        """Whether the storage lets the operator in, and what about it forbids a backup. Reads only."""
        if self._storage.operator is None:
            raise NotConfigured("storage", f"{self._setting}.storage.operator")
        return looking.operating(self._storage, self._site.settings.backup)

    @probe(needs="EXECUTE on pg_control_system(), as everybody has it", channel="database")
    def identifier(self) -> str:
        """Who the database system is, by its own word. Reads only."""
        if self._readers is None:
            raise NotConfigured("database", f"{self._setting}.database")
        from psycopg import sql

        with self._readers.reader() as line:
            return str(line.row(sql.SQL(_IDENTIFIER))["identifier"])

    @probe(channel="journal")
    def attempts(self) -> tuple[Attempt, ...]:
        """The newest backups that this machine began, newest first. Raises JournalError. Reads only."""
        return journalled.attempts(journal_file(self._site.state_folder))

    def retention(self) -> Retention:
        """What retention would keep and remove, of the backups that were read. Raises ProbeError, NotConfigured."""
        found, identifier = self.backups(), self.identifier()
        backups, unread = looking.known(found)
        now = Circumstances(now=datetime.now(UTC), skew=found.skew, system_identifier=identifier, unread=unread)
        return decide(backups, self._site.settings.backup, now)

    def timers(self) -> tuple[HostTimers, ...]:
        """The timers of every host in the order of the settings, each in its own time. Raises NotConfigured."""
        hosts = self._site.settings.hosts
        if hosts is None:
            raise NotConfigured("hosts", f"{self._setting}.hosts")
        told: dict[str, HostTimers] = {}

        def ask(address: str, hosts: HostsSettings) -> None:
            told[address] = self._timers_of(address, hosts)

        asking = [
            threading.Thread(target=copy_context().run, args=(ask, address, hosts), daemon=True)
            for address in hosts.addresses
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        return tuple(told[address] for address in hosts.addresses)

    def fingerprint(self) -> dict[str, Any]:
        """The newest good backup, and what is in use: neither the hour nor a service changes that. Reads only."""
        found = self.backups()
        newest = found.newest_good
        return {"newest": newest.folder if newest else None, "leased": list(found.leased)}

    def clock_skew(self) -> timedelta | None:
        """How far this machine's clock is off the storage's. Reads only."""
        return self._reader.clock_skew()

    @probe(deadline=timedelta(seconds=15), channel="database")
    def rights(self) -> tuple[Right, ...]:
        """Whether the operator reads all that is dumped. Changes nothing."""
        if self._readers is None:
            raise NotConfigured("database", f"{self._setting}.database")
        with self._readers.reader() as line:
            return (reads_all(line, self._operator), reads_large_objects(line, self._operator))

    @operation(Effect.CHANGE, needs=_BACKUP, deadline=LONGEST)
    def backup(self, *, fingerprint: Mapping[str, Any]) -> dict[str, Any]:
        """Dump, encrypt, store, read back, publish, as ``muses-runbook run backup --execute`` does.

        Refuses where a good backup has come, or one has begun, since the plan was made. Takes nothing away.
        """
        now = self.fingerprint()
        if now != dict(fingerprint):
            changed = text("The backups are not as they were when the plan was made: look at them again")
            raise ActionError(self.name, "backup", changed, refused=True)
        from procedures.backup import running

        self._stopping.clear()
        made = running.backup(self._site, watch=_Stoppable(self._stopping))
        manifest = made.manifest
        return {"backup": made.folder, "bytes": manifest.bytes, "rows": sum(manifest.tables.values())}

    def trace_of(self, step: Step, since: datetime) -> Trace:
        """A killed one may be begun again: nothing is done twice."""
        return halfway(
            text("A backup without a manifest is none: the next one begins anew, and the rest is swept away")
        )

    def interrupt(self) -> None:
        """End the backup within a second: nothing of it is published."""
        self._stopping.set()

    def close(self) -> None:
        """Let go of the connections."""
        if self._store is not None:
            self._store.close()
        if self._readers is not None:
            self._readers.close()

    def _timers_of(self, address: str, hosts: HostsSettings) -> HostTimers:
        timers = Timers(f"hosts {host_name(address)}", self._site.environment.name, address=address, settings=hosts)
        try:
            return HostTimers(host=timers.host, standings=timers.standings())
        except ProbeError as error:
            return HostTimers(host=timers.host, failure=error.kind, problem=masked_words(error.said))

    @property
    def _reader(self) -> ObjectStore:
        """One client for all probes: it may be shared between threads, making it may not."""
        with self._making:
            if self._store is None:
                self._store = looking.opened(self._storage, self._site.settings.backup)
        return self._store

    @property
    def _storage(self) -> StorageSettings:
        if self._site.settings.storage is None:
            raise NotConfigured("storage", f"{self._setting}.storage")
        return self._site.settings.storage

    @property
    def _operator(self) -> str:
        return self._database.operator.user if self._database.operator else "muses_operator"

    @property
    def _database(self) -> DatabaseSettings:
        if self._site.settings.database is None:
            raise NotConfigured("database", f"{self._setting}.database")
        return self._site.settings.database


class _Stoppable:
    """Watches a backup only to end it."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def stepped(self, what: Text, total: int | None = None) -> None:
        """Raises ActionError once it is to stop."""
        self.moved(0)

    def moved(self, done: int) -> None:
        """Raises ActionError once it is to stop: the upload is let go of, and nothing is published."""
        if self._stopping.is_set():
            raise ActionError("backup", "backup", text("The backup was stopped: nothing of it is published"))
