"""A whole backup: lock, lease, snapshot, dump into an upload, read back, and publish by the manifest, last."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from procedures.backup import dumping, milestones, reading
from procedures.backup.dumping import Dumped, Snapshot
from procedures.backup.leases import leased
from procedures.backup.programs import programs_of
from procedures.backup.sealing import recipients_of
from runbook.errors import ActionError, LockError, NotConfigured, RunbookError
from runbook.learnt import learnt
from runbook.settings import BackupSettings, StorageSettings
from runbook.site import Site
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.working import working
from runbook.targets.s3 import encryption, promises
from runbook.targets.s3.answers import Facts, Stored
from runbook.targets.s3.backups import MANIFEST, Encrypted, Manifest, Piece
from runbook.targets.s3.objects import ObjectStore, open_store
from runbook.targets.s3.rights import Identity
from runbook.targets.s3.uploads import uploading
from runbook.text import Text, text

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection

#: The advisory lock's two numbers: ours, and the backup's ("MUSE", 2).
_LOCK = (0x4D555345, 2)
_HALFWAY = 1 << 20


class Watch(Protocol):
    """Who watches a backup."""

    def stepped(self, what: Text, total: int | None = None) -> None:
        """A step begins; ``total`` is how many bytes it is about to go through, where that is known."""

    def moved(self, done: int) -> None:
        """How many bytes of the step are done."""


class Unwatched:
    """Nobody watches."""

    def stepped(self, what: Text, total: int | None = None) -> None:
        """Say nothing."""

    def moved(self, done: int) -> None:
        """Say nothing."""


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What a dry run finds: the server, how much there is to dump, and what forbids to begin."""

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


class Refused(ActionError):
    """Something forbids to begin; nothing was written. ``objections`` are all of them."""

    def __init__(self, objections: tuple[Text, ...]) -> None:
        self.objections = objections
        words = "; ".join(str(objection) for objection in objections)
        super().__init__("backup", "backup", text("The backup does not begin: {reasons}", reasons=words), refused=True)


@dataclass(frozen=True)
class Place:
    """Where backups come from and go to."""

    access: Access
    storage: StorageSettings
    backup: BackupSettings

    @property
    def prefix(self) -> str:
        """Below which all backups lie."""
        return self.storage.backup_prefix


def place_of(site: Site) -> Place:
    """Where the site's backups come from and go to. Raises NotConfigured for a target it does not have."""
    settings, setting = site.settings, f"environments.{site.environment.name}"
    if settings.database is None:
        raise NotConfigured("database", f"{setting}.database")
    if settings.storage is None:
        raise NotConfigured("storage", f"{setting}.storage")
    return Place(Access("database", f"{setting}.database", settings.database), settings.storage, settings.backup)


def store_at(place: Place, identity: Identity = "operator") -> ObjectStore:
    """The bucket of the backups."""
    return open_store("storage", place.storage, place.backup, identity=identity, bucket=place.storage.backup_bucket)


def system_identifier(place: Place) -> str:
    """Who the database system is, by its own word. Under the reader's identity."""
    with working(place.access, "backup", "reader") as connection:
        return _server(connection).identifier


def look(site: Site) -> Outlook:
    """What a backup would do, and what forbids it. Under the reader's identity: it could not change anything."""
    place = place_of(site)
    with working(place.access, "backup", "reader") as connection, closing(store_at(place, "reader")) as store:
        server = _server(connection)
        programs = programs_of(server.major, place.backup.programs)
        return Outlook(
            database=server.database,
            server_version=server.version,
            bytes=server.bytes,
            programs=str(programs.folder),
            objections=promises.objections(promises.configured_promises(store), store.protection),
        )


def backup(site: Site, *, once_a_day: bool = False, watch: Watch | None = None) -> BackedUp:
    """Dump, encrypt, store, read back and publish; what is published has been read back whole.

    ``once_a_day``: where the site's day has a verified backup already, that is the answer, whatever the clock did that
    night. Raises Refused where a guard objects, LockError where another backup works, ActionError or ProbeError for all
    that fails; then nothing is published, and nothing was taken away.
    """
    place = place_of(site)
    with working(place.access, "backup") as connection, closing(store_at(place)) as store:
        _hold(connection)
        milestones.reached("locked")
        today = datetime.now(site.zone).date().isoformat()
        if once_a_day and (found := _of_the_day(store, place, _server(connection), today)):
            return found
        return _Backup(site, place, connection, store, watch or Unwatched(), today).made()


class _Backup:
    """One call of ``backup``, its lock held."""

    def __init__(
        self, site: Site, place: Place, connection: Connection, store: ObjectStore, watch: Watch, day: str
    ) -> None:
        self._place, self._connection, self._store, self._watch = place, connection, store, watch
        self._began, self._day = datetime.now(UTC), day
        self._server = _server(connection)
        self._programs = programs_of(self._server.major, place.backup.programs)
        recipients_of(place.backup)  # a wrong key is said now, not after hours
        local = self._began.astimezone(site.zone)
        self._folder = f"{place.prefix}{local:%Y-%m-%dT%H%M}-{secrets.token_hex(2)}/"

    def made(self) -> BackedUp:
        """The whole way."""
        self._ask_guards()
        with leased(self._store, self._place.prefix, self._folder):
            milestones.reached("leased")
            snapshot, data, dumped = self._dumped()
            globals = self._globals() if self._place.backup.globals else None
            facts = self._store.facts(data.key, data.version)
            self._prove_encryption(facts)
            manifest = self._manifest(snapshot, data, dumped, globals, facts)
            self._watch.stepped(text("Reading back"), manifest.dump_bytes)
            reading.prove_whole(self._store, manifest, self._place.backup, self._programs, _Sum(self._watch).add)
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
            raise Refused(found)

    def _dumped(self) -> tuple[Snapshot, Stored, Dumped]:
        """Dump and count the same snapshot at the same time; the object is whole only if all went well."""
        place = self._place
        self._watch.stepped(text("Dumping {database}", database=self._server.database), self._server.bytes)
        with (
            dumping.snapshot(self._connection, place.backup.lock_wait) as id,
            uploading(self._store, self._key("data.dump")) as upload,
        ):
            milestones.reached("snapshot taken")
            counting = _Counting(self._connection, id)
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


class _Counting:
    """Counts the snapshot's rows on a thread, over the connection that holds it, while the dump streams."""

    def __init__(self, connection: Connection, id: str) -> None:
        self._box: list[Snapshot | BaseException] = []
        self._thread = threading.Thread(target=self._count, args=(connection, id), name="counting", daemon=True)
        self._thread.start()

    def result(self) -> Snapshot:
        """The counts; raises what counting raised."""
        self._thread.join()
        found = self._box[0]
        if isinstance(found, Snapshot):
            return found
        raise found

    def check(self) -> None:
        """Raise what counting raised by now: it ended the snapshot, and what ``pg_dump`` says of that explains less."""
        for found in self._box:
            if isinstance(found, BaseException):
                raise found

    def _count(self, connection: Connection, id: str) -> None:
        try:
            self._box.append(dumping.counted(connection, id))
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits
            self._box.append(error)


class _Sum:
    """Adds pieces up for who watches."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self._done = watch, 0

    def add(self, bytes: int) -> None:
        """Some more are done."""
        self._done += bytes
        self._watch.moved(self._done)


class _Server(msgspec.Struct, frozen=True, kw_only=True):
    """The server and the database, as far as a manifest names them."""

    database: str
    identifier: str
    version: str
    number: int
    bytes: int

    @property
    def major(self) -> int:
        """Its major version."""
        return self.number // 10_000


def _server(connection: Connection) -> _Server:
    (row,) = connection.execute(
        "SELECT current_database() AS database, system_identifier::text AS identifier, "
        "current_setting('server_version') AS version, current_setting('server_version_num')::int AS number, "
        "pg_database_size(current_database()) AS bytes FROM pg_control_system()"
    ).fetchall()
    return _Server(**row)


def _hold(connection: Connection) -> None:
    (row,) = connection.execute("SELECT pg_try_advisory_lock(%s, %s) AS taken", list(_LOCK)).fetchall()
    if not row["taken"]:
        raise LockError(text("Another backup works on this database: wait for it or stop it"))


def _of_the_day(store: ObjectStore, place: Place, server: _Server, day: str) -> BackedUp | None:
    """The day's verified backup of this very database, if it has one."""
    return next((one for one in published(store, place.prefix) if _is_of(one.manifest, server, day)), None)


def published(store: ObjectStore, prefix: str) -> Iterator[BackedUp]:
    """Every backup that has a manifest we can read, in the order of the list. Raises ProbeError."""
    for item in store.list(prefix):
        if item.key.endswith(f"/{MANIFEST}"):
            try:
                manifest = msgspec.json.decode(store.read(item.key), type=learnt(Manifest))
            except msgspec.DecodeError:
                continue  # the rows of the runbook tell of it, and retention freezes
            yield BackedUp(folder=item.key.removesuffix(MANIFEST), manifest=manifest, made=False)


def _is_of(manifest: Manifest, server: _Server, day: str) -> bool:
    told = (manifest.system_identifier, manifest.database, manifest.local_date)
    return manifest.verified and told == (server.identifier, server.database, day)
