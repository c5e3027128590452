"""What the tests that break backups stand on: a small database, and a prefix that may hold an earlier good backup."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import zstandard

from procedures.backup import looking, places
from runbook.settings import BackupSettings, EnvironmentSettings, StorageSettings
from runbook.site import Site
from runbook.targets.s3.backups import Manifest
from runbook.targets.s3.objects import ObjectStore
from tests.procedures.backup.dying import MARK
from tests.procedures.purge.ground import BACKUPS, Servers, site_of
from tests.runbook.targets.servers_postgres import Connection, until

DATABASE, ROWS = "chica", 3000
#: Incompressible, so that even this little fills several parts.
_FILLED = f"""
CREATE TABLE cartas (id integer PRIMARY KEY, texto text);
INSERT INTO cartas
    SELECT i, md5(random()::text) || md5(random()::text) || md5(random()::text) || md5(random()::text)
    FROM generate_series(1, {ROWS}) AS i;
CREATE TABLE vacia (id integer);
CREATE TABLE sobres (id integer REFERENCES cartas);
INSERT INTO sobres SELECT i FROM generate_series(1, 100) AS i;
SELECT lo_from_bytea(0, convert_to(repeat('a', 5000), 'UTF8'));
"""
#: Makes folders of programs, see the fixture ``programs``.
MakePrograms = Callable[..., Path]
COUNTS = {"public.cartas": ROWS, "public.vacia": 0, "public.sobres": 100}


#: Closed by the plugin at the end of the session.
_stores: list[ObjectStore] = []


def close_stores() -> None:
    """Let go of the connections."""
    while _stores:
        _stores.pop().close()


class Version(NamedTuple):
    """One version of an object as the bucket's owner sees it."""

    key: str
    version: str
    etag: str


class Case:
    """A prefix of its own, and sites that back the small database up into it."""

    _numbers = itertools.count(1)

    def __init__(self, servers: Servers, admin: Connection, home: Path) -> None:
        self.servers, self.s3, self.admin, self.home = servers, servers.s3, admin, home
        self.prefix = f"rotos-{next(self._numbers)}/"
        self.site = self.changed()
        self._bodies: dict[tuple[str, str], bytes] = {}

    def changed(
        self,
        *,
        endpoint: str | None = None,
        database: dict[str, Any] | None = None,
        storage: dict[str, Any] | None = None,
        zone: str | None = None,
        **backup: Any,
    ) -> Site:
        """The site with some settings changed; its storage is asked directly unless ``endpoint`` is the proxy's."""
        place: dict[str, Any] = {
            "endpoint_url": endpoint or self.servers.storage.storage_url,
            "backup_bucket": BACKUPS,
            "backup_prefix": self.prefix,
            "reader": self.servers.reader,
            "operator": self.servers.operator,
        }
        settings = EnvironmentSettings(
            database=self.servers.postgres.settings(**{"name": DATABASE, **(database or {})}),
            storage=StorageSettings(**{**place, **(storage or {})}),
            backup=BackupSettings(**backup),
        )
        return site_of(settings, self.home)

    @cached_property
    def store(self) -> ObjectStore:
        """The bucket under the operator, the same for all cases: making a client takes longer than most tests."""
        if not _stores:
            _stores.append(places.store_at(places.place_of(self.site)))
        return _stores[0]

    def versions(self) -> set[Version]:
        """Everything below the prefix, leases and tries apart."""
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=BACKUPS, Prefix=self.prefix)
        found = [one for page in pages for one in page.get("Versions", ())]
        seen = {Version(one["Key"], one["VersionId"], one["ETag"]) for one in found}
        return {one for one in seen if not one.key.removeprefix(self.prefix).startswith(".")}

    def names(self) -> set[str]:
        """The names within the prefix."""
        return {one.key.removeprefix(self.prefix) for one in self.versions()}

    def uploads(self) -> set[str]:
        """The unfinished uploads' keys, within the prefix."""
        return {one.key.removeprefix(self.prefix) for one in self.store.unfinished_uploads(self.prefix)}

    def published(self, versions: set[Version] | None = None) -> dict[str, Manifest]:
        """The manifests by folder, as they lie there; fails where one was written over."""
        found = self.versions() if versions is None else versions
        manifests = [one for one in found if one.key.endswith("/manifest.json")]
        assert len(manifests) == len({one.key for one in manifests})
        return {
            one.key.removesuffix("manifest.json"): msgspec.json.decode(self.body(one.key, one.version), type=Manifest)
            for one in manifests
        }

    def body(self, key: str, version: str | None = None) -> bytes:
        """An object's bytes; those of a version are read once, for they never change."""
        if version is None:
            found: bytes = self.s3.get_object(Bucket=BACKUPS, Key=key)["Body"].read()
            return found
        if (key, version) not in self._bodies:
            answer = self.s3.get_object(Bucket=BACKUPS, Key=key, VersionId=version)
            self._bodies[key, version] = answer["Body"].read()
        return self._bodies[key, version]

    def newest_good(self) -> str | None:
        """The newest good backup, as the rows of the runbook see it."""
        newest = looking.backups(self.store, self.prefix).newest_good
        return newest.folder if newest else None

    def check_good(self, folder: str, manifest: Manifest | None = None) -> None:
        """The backup is whole by its manifest, said here in words of our own."""
        manifest = manifest or self.published()[folder]
        assert manifest.verified
        assert manifest.tables == COUNTS
        body = self.body(manifest.object, manifest.version)
        assert (len(body), hashlib.sha256(body).hexdigest()) == (manifest.bytes, manifest.sha256)
        plain = zstandard.ZstdDecompressor().decompressobj().decompress(body)
        assert (len(plain), hashlib.sha256(plain).hexdigest()) == (manifest.dump_bytes, manifest.dump_sha256)
        assert plain.startswith(b"PGDMP")

    def gone(self) -> None:
        """Within seconds no program of a backup lives, and the database knows no session of it."""
        until(lambda: not survivors(), patience=8)
        until(lambda: not self.sessions(), patience=8)

    def sessions(self) -> int:
        """The operator's sessions on the small database."""
        (row,) = self.admin.execute(
            "SELECT count(*) AS count FROM pg_stat_activity WHERE datname = %s AND usename = 'muses_operator'",
            [DATABASE],
        ).fetchall()
        return int(row["count"])


def started() -> dict[int, str]:
    """The programs that a backup of these tests started and that run now, by their numbers."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if MARK.encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "exe").resolve().name
        except OSError:
            continue
    return found


def survivors() -> set[str]:
    """The names of those; Python's own processes are the tests' and the children's."""
    return {name for name in started().values() if not name.startswith("python")}


def the_program(name: str) -> int:
    """The number of the running one of that name."""
    found = [number for number, called in started().items() if called == name]
    assert found, f"no {name} runs"
    return found[0]


def adopted(case: Case, source: Case, folder: str, **changes: Any) -> str:
    """A copy of a backup in the case's prefix, with some of its manifest changed; its folder."""
    name = changes.pop("name", folder.removeprefix(source.prefix))
    manifest: dict[str, Any] = msgspec.json.decode(source.body(f"{folder}manifest.json"))
    here = f"{case.prefix}{name}"
    for piece in (manifest, manifest["globals"]):
        body, key = source.body(piece["object"]), here + piece["object"].rpartition("/")[2]
        made = case.s3.put_object(Bucket=BACKUPS, Key=key, Body=body, ServerSideEncryption="AES256")
        piece.update(object=key, version=made["VersionId"])
    body = msgspec.json.encode({**manifest, **changes})
    case.s3.put_object(Bucket=BACKUPS, Key=f"{here}manifest.json", Body=body)
    return here


def furnish(servers: Servers) -> None:
    """A database that is dumped in a tenth of a second, owned by whom the operator is a member of."""
    with closing(servers.postgres.admin("postgres")) as admin:
        admin.execute(f"CREATE DATABASE {DATABASE} OWNER muses_owner")
    with closing(servers.postgres.admin(DATABASE)) as admin:
        admin.execute("GRANT ALL ON SCHEMA public TO muses_owner; SET ROLE muses_owner")
        admin.execute(_FILLED)


__all__ = [
    "BACKUPS",
    "COUNTS",
    "DATABASE",
    "ROWS",
    "Case",
    "MakePrograms",
    "Version",
    "adopted",
    "close_stores",
    "furnish",
]
__all__ += ["survivors", "the_program"]
