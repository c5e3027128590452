"""A whole backup: lock, lease, snapshot, dump into an upload, read back, and publish by the manifest, last."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from procedures.backup import choosing, dumping, milestones, reading
from procedures.backup.age_keys import recipients_of
from procedures.backup.counting import Counting
from procedures.backup.dumping import Dumped, Snapshot
from procedures.backup.leases import leased
from procedures.backup.places import Place, place_of, store_at
from procedures.backup.programs import Programs, programs_of
from procedures.backup.refusing import backup_refused
from procedures.backup.server import Server, hold, server_of
from procedures.backup.watching import Unwatched, Watch, ignored, telling
from runbook.errors import ActionError, RunbookError
from runbook.site import Site
from runbook.targets.postgres.working import working
from runbook.targets.s3 import encryption, promises
from runbook.targets.s3.answers import Facts, Stored
from runbook.targets.s3.backups import MANIFEST, Encrypted, Manifest, Piece
from runbook.targets.s3.objects import ObjectStore
from runbook.targets.s3.uploads import uploading
from runbook.text import Text, text

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection

_HALFWAY = 1 << 20


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to dump, and what forbids to begin."""

    database: str
    server_version: str
    bytes: int
    programs: str
    objections: tuple[Text, ...] = ()


class BackedUp(msgspec.Struct, frozen=True, kw_only=True):
    """A published backup. ``made`` is False where the day had one already, and none was made."""

    folder: str
    manifest: Manifest
    made: bool = True


def look(site: Site) -> Outlook:
    """What a backup would do, and what forbids it. Under the reader's identity: it could not change anything."""
    place = place_of(site)
    with working(place.access, "backup", "reader") as connection, closing(store_at(place, "reader")) as store:
        server = server_of(connection)
        programs = programs_of(server.major, place.backup.programs)
        found = promises.objections(promises.configured_promises(store), store.protection)
        return _outlook(server, programs, found)


def backup(
    site: Site,
    *,
    once_a_day: bool = False,
    watch: Watch | None = None,
    seen: Callable[[Outlook], None] = ignored,
) -> BackedUp:
    """Dump, encrypt, store, read back and publish; what is published has been read back whole.

    ``once_a_day``: where the site's day has a verified backup already, that is the answer, whatever the clock did that
    night. ``seen`` hears of what there is to dump. Raises Refused where a guard objects, LockError where another backup
    works, ActionError or ProbeError for all that fails; then nothing is published, and nothing was taken away.
    """
    place = place_of(site)
    with working(place.access, "backup") as connection, closing(store_at(place)) as store:
        hold(connection)
        milestones.reached("locked")
        begun = _Backup(site, place, connection, store, watch or Unwatched())
        seen(begun.outlook)
        return (begun.of_the_day() if once_a_day else None) or begun.made()


class _Backup:
    """One call of ``backup``, its lock held."""

    def __init__(self, site: Site, place: Place, connection: Connection, store: ObjectStore, watch: Watch) -> None:
        self._place, self._connection, self._store, self._watch = place, connection, store, watch
        self._server = server_of(connection)
        self._programs = programs_of(self._server.major, place.backup.programs)
        self._began = datetime.now(UTC)
        local = self._began.astimezone(site.zone)
        self._day = local.date().isoformat()
        self._folder = f"{place.prefix}{local:%Y-%m-%dT%H%M}-{secrets.token_hex(2)}/"

    @property
    def outlook(self) -> Outlook:
        """What there is to dump; the guards were not asked yet."""
        return _outlook(self._server, self._programs)

    def of_the_day(self) -> BackedUp | None:
        """The day's verified backup of this very database, if it has one."""
        ours = (self._server.identifier, self._server.database, self._day)
        for one in choosing.published(self._store, self._place.prefix):
            told = one.manifest
            if told.verified and (told.system_identifier, told.database, told.local_date) == ours:
                return BackedUp(folder=one.folder, manifest=told, made=False)
        return None

    def made(self) -> BackedUp:
        """The whole way."""
        recipients_of(self._place.backup)  # a wrong key is said now, not after hours
        self._ask_guards()
        with leased(self._store, self._place.prefix, self._folder):
            milestones.reached("leased")
            snapshot, data, dumped = self._dumped()
            globals = self._globals() if self._place.backup.globals else None
            facts = self._store.facts(data.key, data.version)
            self._prove_encryption(facts)
            manifest = self._manifest(snapshot, data, dumped, globals, facts)
            self._watch.stepped(text("Reading back"), manifest.dump_bytes)
            reading.prove_whole(self._store, manifest, self._place.backup, self._programs, telling(self._watch.moved))
            milestones.reached("read back")
            manifest = msgspec.structs.replace(manifest, verified=True, finished_at=datetime.now(UTC))
            milestones.reached("before the manifest")
            body = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
            key, until = f"{self._folder}{MANIFEST}", facts.locked_until
            self._store.put_new(key, body, content_type="application/json", lock_until=until)
            milestones.reached("published")
        milestones.reached("lease let go")
        return BackedUp(folder=self._folder, manifest=manifest)

    def _ask_guards(self) -> None:
        found = promises.objections(promises.tried_promises(self._store, self._place.prefix), self._store.protection)
        if found:
            raise backup_refused(found)

    def _dumped(self) -> tuple[Snapshot, Stored, Dumped]:
        """Dump and count the same snapshot at the same time; the object is whole only if all went well."""
        place = self._place
        self._watch.stepped(text("Dumping {database}", database=self._server.database), self._server.bytes)
        with (
            dumping.snapshot(self._connection, place.backup.lock_wait) as id,
            uploading(self._store, self._key("data.dump")) as upload,
        ):
            milestones.reached("snapshot taken")
            counting = Counting(self._connection, id)
            try:
                dumped = dumping.dump(self._programs, place.access, place.backup, id, upload, self._told)
            except RunbookError:
                counting.check()
                raise
            milestones.reached("dumped")
            snapshot = counting.result()
            stored = upload.complete()
            milestones.reached("data uploaded")
        return snapshot, stored, dumped

    def _globals(self) -> Piece:
        with uploading(self._store, self._key("globals.sql")) as upload:
            dumped = dumping.dump_globals(self._programs, self._place.access, self._place.backup, upload)
            stored = upload.complete()
        milestones.reached("globals uploaded")
        self._prove_encryption(self._store.facts(stored.key, stored.version))
        return Piece(
            object=stored.key,
            version=stored.version,
            bytes=stored.bytes,
            sha256=stored.sha256,
            plain_bytes=dumped.bytes,
            plain_sha256=dumped.sha256,
        )

    def _manifest(
        self, snapshot: Snapshot, data: Stored, dumped: Dumped, globals: Piece | None, facts: Facts
    ) -> Manifest:
        server = self._server
        return Manifest(
            object=data.key,
            version=data.version,
            bytes=data.bytes,
            sha256=data.sha256,
            started_at=self._began,
            finished_at=self._began,
            verified=False,
            database=server.database,
            system_identifier=server.identifier,
            server_version=server.version,
            programs=f"PostgreSQL {self._programs.major}",
            dump_bytes=dumped.bytes,
            dump_sha256=dumped.sha256,
            compression="zstd",
            encryption=Encrypted(server=facts.encryption, client="age" if self._place.backup.age_recipients else None),
            globals=globals,
            snapshot=snapshot.seen,
            tables=snapshot.tables,
            large_objects=snapshot.large_objects,
            local_date=self._day,
            locked_until=facts.locked_until,
        )

    def _prove_encryption(self, facts: Facts) -> None:
        asked = self._place.backup.encryption
        if asked != "none" and not encryption.proven(facts, self._store.protection):
            said = text(
                "The storage was asked to encrypt {key} ({asked}) and returned {returned}: set backup.age_recipients "
                "and encryption none",
                key=facts.key,
                asked=asked,
                returned=facts.encryption or "–",
            )
            raise ActionError("storage", "backup", said)

    def _key(self, name: str) -> str:
        return f"{self._folder}{name}.zst{'.age' if self._place.backup.age_recipients else ''}"

    def _told(self, done: int) -> None:
        if done > _HALFWAY:
            milestones.reached("dump halfway")
        self._watch.moved(done)


def _outlook(server: Server, programs: Programs, objections: tuple[Text, ...] = ()) -> Outlook:
    return Outlook(
        database=server.database,
        server_version=server.version,
        bytes=server.bytes,
        programs=str(programs.folder),
        objections=objections,
    )
