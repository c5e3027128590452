"""What a purge stands on in these tests: real servers, tables whose every row's fate is known, and what must hold.

A row's fate is written down when it is made, in words of its own, never asked of the code that is tested.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import zoneinfo
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from lab.place import Place
from procedures.archive.encoding import Counting, lines, plain_pieces
from runbook.history import History
from runbook.model import Environment
from runbook.settings import (
    ArchiveSettings,
    EnvironmentSettings,
    Keys,
    PurgeSettings,
    Secret,
    StorageSettings,
    ThrottleSettings,
)
from runbook.site import Site
from runbook.targets.s3 import archives
from runbook.targets.s3.archives import Manifest
from tests.procedures.purge.filling import RECORDS, TABLES, fill, partition_attendances
from tests.runbook.targets.servers_postgres import SCHEMA, ZONE, Connection, PostgresServer, installations
from tests.runbook.targets.servers_storage import root, storage_server, user

ARCHIVE, BACKUPS = "muses-archivo", "muses-respaldos"
LEDGER = "muses_runbook"
#: What the text of a value depends on, as the purge pins it.
_PINNED = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'"

#: Full lines of COPY text, from the key on, by table.
Lines = dict[str, set[bytes]]


@dataclass
class Servers:
    """A database and an object store, with the users that a site has."""

    postgres: PostgresServer
    storage: Place
    s3: Any
    reader: Keys
    operator: Keys


@contextmanager
def servers(home: Path) -> Iterator[Servers]:
    """Both, running; the archive's bucket keeps versions, the other holds a verified backup of this moment."""
    postgres = PostgresServer(installations()["wheel"])
    try:
        postgres.start()
        with storage_server(home / "storage") as place:
            s3 = root(place)
            for bucket in (ARCHIVE, BACKUPS):
                s3.create_bucket(Bucket=bucket)
                s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            publish_backup(s3)
            reader = _keys(*user(place, "lector", "s3:Get*", "s3:List*"))
            yield Servers(postgres, place, s3, reader, _keys(*user(place, "operador", "s3:*")))
    finally:
        postgres.stop()


def publish_backup(
    s3: Any, *, bucket: str = BACKUPS, prefix: str = "", age: timedelta = timedelta(hours=1), verified: bool = True
) -> str:
    """A backup as the nightly job leaves it; its folder."""
    finished = datetime.now(UTC) - age
    folder, body = f"{prefix}{finished:%Y%m%dT%H%M%SZ}/", b"dump"
    manifest = {
        "format": 1,
        "object": f"{folder}data.dump",
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "finished_at": finished.isoformat(),
        "verified": verified,
    }
    s3.put_object(Bucket=bucket, Key=f"{folder}data.dump", Body=body)
    s3.put_object(Bucket=bucket, Key=f"{folder}manifest.json", Body=json.dumps(manifest).encode())
    return folder


def site_of(settings: EnvironmentSettings, home: Path) -> Site:
    """A site with these settings, as a run opens it."""
    return Site(
        environment=Environment(site="ensayo", name="lab", timezone=ZONE, language="es"),
        settings=settings,
        zone=zoneinfo.ZoneInfo(ZONE),
        history=History(None, "lab"),
        state_folder=home / "state",
        reports_folder=home / "runs",
    )


@dataclass
class Archive:
    """All that is published below a prefix, read back whole and proven: by table, its lines and its manifests."""

    lines: Lines = field(default_factory=dict)
    manifests: list[Manifest] = field(default_factory=list)
    #: Objects of rows that no manifest speaks of.
    orphans: set[str] = field(default_factory=set)
    #: How often a line lies there in all; more than the lines where something was archived twice.
    rows: int = 0


class Ground:
    """Fresh tables in a running database, a prefix of its own in the archive, and a site for both."""

    _numbers = itertools.count(1)

    def __init__(self, servers: Servers, admin: Connection, home: Path) -> None:
        self.servers, self.postgres, self.s3, self.admin = servers, servers.postgres, servers.s3, admin
        self.home, self.prefix = home, f"tbae-{next(self._numbers)}/"
        self.site = self.changed()
        #: The keys of the rows that must stay, by table.
        self.stays: dict[str, set[str]] = {table: set() for table in TABLES}
        self._bodies: dict[tuple[str, str | None], bytes] = {}

    def changed(
        self,
        *,
        endpoint: str | None = None,
        archive: dict[str, Any] | None = None,
        storage: dict[str, Any] | None = None,
        database: dict[str, Any] | None = None,
        throttle: dict[str, Any] | None = None,
        **purge: Any,
    ) -> Site:
        """A site of this ground with some settings changed: small batches, one worker, no limit to the size."""
        small = {"batch_rows": 150, "chunk_rows": 50, "workers": 1, "max_percent": 100.0, "max_growth": 1e9}
        keys = {"reader": self.servers.reader, "operator": self.servers.operator}
        buckets = {"backup_bucket": BACKUPS, "archive_bucket": ARCHIVE}
        place = {"endpoint_url": endpoint or self.servers.storage.storage_url, **buckets, **keys}
        settings = EnvironmentSettings(
            database=self.postgres.settings(**(database or {})),
            storage=StorageSettings(**{**place, **(storage or {})}),
            archive=ArchiveSettings(**{"prefix": self.prefix, "encryption": "sse-s3", **(archive or {})}),
            purge=PurgeSettings(**{**small, "throttle": ThrottleSettings(**(throttle or {})), **purge}),
        )
        return site_of(settings, self.home)

    def fill(self, rows: int = 400) -> Lines:
        """Records, responses and errors of every fate, ``rows`` of them in tbae001; all tables as they are then."""
        for table, keys in fill(self.admin, rows).items():
            self.stays[table] |= keys
        return self.tables()

    def fill_partitioned(self, rows: int) -> Lines:
        """The same with tbae005 in two partitions: one that goes as a whole, and one that does not."""
        self.fill(rows)
        partition_attendances(self.admin)
        there = self.tables()
        self.stays[RECORDS[2]] &= {key_of(line) for line in there[RECORDS[2]]}
        return there

    def tables(self) -> Lines:
        """Every row of every exchange table just now, partitions included, be they attached or not."""
        with closing(self.postgres.admin()) as session:
            session.execute(_PINNED)
            alone = {table: [table] for table in TABLES}
            for row in self._detached(session):
                alone[row["parent"]].append(row["name"])
            return {
                table: {line for name in names for line in _copied(session, f"SELECT * FROM {SCHEMA}.{name}")}
                for table, names in alone.items()
            }

    def _detached(self, session: Connection) -> list[dict[str, Any]]:
        if not session.execute(f"SELECT to_regclass('{LEDGER}.purge_table') AS there").fetchall()[0]["there"]:
            return []
        return session.execute(
            f"SELECT name, parent FROM {LEDGER}.purge_table JOIN pg_class ON relname = name AND NOT relispartition "
            f"WHERE state = 'DETACHED' AND relnamespace = '{SCHEMA}'::regnamespace"
        ).fetchall()

    def archive(self) -> Archive:
        """What is published, each object read by its version and held against its manifest; fails where one is not.

        A version never changes, so each is read once.
        """
        found, pages = Archive({table: set() for table in TABLES}), self.s3.get_paginator("list_object_versions")
        listed = [v for page in pages.paginate(Bucket=ARCHIVE, Prefix=self.prefix) for v in page.get("Versions", ())]
        versions = [version for version in listed if "/.probe/" not in version["Key"]]
        keys = {version["Key"] for version in versions}
        assert len(versions) == len(keys), "something was written over"
        for version in versions:
            if version["Key"].endswith(f"/{archives.MANIFEST}"):
                manifest = archives.decoded(self._body(version["Key"], version["VersionId"]))
                rows = self.rows_of(manifest)
                found.manifests.append(manifest)
                found.lines[manifest.table] |= set(rows)
                found.rows += len(rows)
        spoken_of = {manifest.object.key for manifest in found.manifests}
        found.orphans = {key for key in keys if "/rows.copy.zst" in key} - spoken_of
        return found

    def _body(self, key: str, version: str | None) -> bytes:
        if (key, version) not in self._bodies:
            body = self.s3.get_object(Bucket=ARCHIVE, Key=key, VersionId=version)["Body"].read()
            self._bodies[key, version] = body
        return self._bodies[key, version]

    def rows_of(self, manifest: Manifest) -> list[bytes]:
        told, settings = manifest.object, self.site.settings.archive
        body = self._body(told.key, told.version)
        assert (len(body), hashlib.sha256(body).hexdigest()) == (told.bytes, told.sha256), told.key
        counting, rows = Counting(), []
        for chunk in lines(plain_pieces(body, settings, encrypted=told.encryption == "age", key=told.key), 5_000):
            counting.feed(b"\n".join([*chunk, b""]))
            rows += [line.split(b"\t", 2)[2] for line in chunk]
        assert counting.content == manifest.content, told.key
        return rows

    def nothing_lost(self, before: Lines) -> None:
        """Every row of ``before`` is in its table or in the archive, at any moment and after any crash."""
        now, archive = self.tables(), self.archive()
        for table in TABLES:
            lost = before[table] - now[table] - archive.lines[table]
            assert not lost, f"{len(lost)} rows of {table} are nowhere: {sorted(lost)[:3]}"

    def invariant(self, before: Lines) -> None:
        """What holds when a run has come to its end and nobody wrote meanwhile: each row is where it belongs, once."""
        now, archive, standing = self.tables(), self.archive(), self.standing()
        for table in TABLES:
            gone = before[table] - now[table]
            assert not now[table] - before[table], f"{table} has rows that it had not"
            assert not gone - archive.lines[table], f"rows of {table} are nowhere"
            assert not now[table] & archive.lines[table], f"rows of {table} are in both places"
            assert archive.lines[table] == gone, f"the archive of {table} holds what it never had"
            assert {key_of(line) for line in now[table]} == self.stays[table], f"not the right rows of {table} stayed"
            told = [row for row in standing if row["root"] == table]
            assert sum(row["deleted"] for row in told) == len(gone), f"the ledger's sum of {table} is wrong"
            assert {row["state"] for row in told} == {"DONE"}, f"{table} is not DONE"
        assert {batch["state"] for batch in self.batches()} <= {"DONE"}
        assert [run["state"] for run in self.runs()].count("RUNNING") == 0
        self.admin.execute("SELECT 1 FROM pg_locks")  # the session is still there

    def standing(self) -> list[dict[str, Any]]:
        """The ledger's sums by run and table, the newest run last: two may have begun in the same second."""
        return self.admin.execute(
            f"""
            SELECT t.name, coalesce(t.parent, pg_partition_root(to_regclass('{SCHEMA}.' || t.name))::regclass::text,
                t.name) AS root, t.state, coalesce(sum(b.deleted), 0)::int AS deleted,
                coalesce(sum(b.changed), 0)::int AS changed,
                coalesce(sum((b.manifest->'content'->>'rows')::int), 0)::int AS archived
            FROM {LEDGER}.purge_table AS t JOIN {LEDGER}.purge_run AS r ON r.id = t.run
                LEFT JOIN {LEDGER}.purge_batch AS b USING (run, name)
            GROUP BY r.started_at, t.run, t.name ORDER BY r.started_at, t.name
            """
        ).fetchall()

    def batches(self) -> list[dict[str, Any]]:
        """All batches of the ledger."""
        return self.admin.execute(f"SELECT * FROM {LEDGER}.purge_batch ORDER BY run, name, number").fetchall()

    def runs(self) -> list[dict[str, Any]]:
        """All runs of the ledger, the newest last."""
        return self.admin.execute(f"SELECT * FROM {LEDGER}.purge_run ORDER BY started_at").fetchall()


@contextmanager
def ground_on(servers: Servers, home: Path) -> Iterator[Ground]:
    """Fresh, empty tables with the index that a purge needs, and no memory of earlier runs."""
    servers.postgres.make_tables()
    with closing(servers.postgres.admin()) as admin:
        admin.execute(f"DROP SCHEMA IF EXISTS {LEDGER} CASCADE")
        admin.execute(f"SET search_path TO {SCHEMA}, public")
        admin.execute(f"SET TimeZone TO '{ZONE}'")
        admin.execute("CREATE INDEX tbae010_error_id_respuesta ON tbae010_error (id_respuesta)")
        yield Ground(servers, admin, home)


def key_of(line: bytes) -> str:
    """The key of a row: the first column, in every exchange table."""
    return line.partition(b"\t")[0].decode()


def encoded_settings(settings: EnvironmentSettings) -> bytes:
    """For a process elsewhere, which decodes them again."""
    return msgspec.json.encode(settings, enc_hook=str)


def decoded_settings(text: bytes) -> EnvironmentSettings:
    """The settings that another process encoded."""
    return msgspec.json.decode(text, type=EnvironmentSettings, dec_hook=lambda kind, value: kind(value))


def _copied(session: Connection, query: str) -> list[bytes]:
    from psycopg import sql

    statement = sql.SQL("COPY ({}) TO STDOUT").format(sql.SQL(query))
    with session.cursor().copy(statement) as copy:
        return b"".join(map(bytes, copy)).splitlines()


def _keys(access: Path, secret: Path) -> Keys:
    return Keys(access_key=Secret(file=access), secret_key=Secret(file=secret))
