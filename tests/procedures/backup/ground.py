"""What a backup stands on in these tests: a real server and a real store, and a database with one of everything."""

from __future__ import annotations

import hashlib
import itertools
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pyrage

from lab.ports import free_ports
from procedures.backup import places, reading, running
from procedures.backup.running import BackedUp
from procedures.backup.sealing import Sealer
from procedures.backup.unprivileged import unprivileged
from runbook.settings import BackupSettings, EnvironmentSettings, Keys, Secret, StorageSettings
from runbook.site import Site
from runbook.targets.s3.backups import MANIFEST, Manifest, Proof
from tests.procedures.purge.filling import fill
from tests.procedures.purge.ground import BACKUPS, Servers, site_of
from tests.runbook.targets.servers_postgres import (
    DATABASE,
    SCHEMA,
    Connection,
    installations,
    until,
)

#: Tables of the schema ``obra``, beside the others in it.
TABLES, LARGE_OBJECTS = 60, 12
_ONE_OF_EVERYTHING = """
CREATE TYPE tono AS ENUM ('alto', 'bajo');
CREATE DOMAIN folio AS integer CHECK (VALUE > 0);
CREATE SEQUENCE turno START 7;
CREATE TABLE tipos (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tono tono, folio folio,
    doble integer GENERATED ALWAYS AS (id * 2) STORED, cuando timestamptz, real double precision, bytes bytea,
    doc jsonb, lapso interval, precio money, "Con Mayús" text
);
INSERT INTO tipos (tono, folio, cuando, real, bytes, doc, lapso, precio, "Con Mayús")
    SELECT 'alto', i, timestamptz '2026-01-01' + i * interval '1 h', i / 7.0, decode(md5(i::text), 'hex'),
        jsonb_build_object('i', i), i * interval '90 min', i * 1.25, E'tab\\t línea\\n \\\\N ' || i
    FROM generate_series(1, 3000) AS i;
CREATE TABLE vacia (id integer PRIMARY KEY);
CREATE TABLE sin_llave (dato text);
INSERT INTO sin_llave SELECT md5(i::text) FROM generate_series(1, 50) AS i;
CREATE TABLE medidas (id integer, fecha date, valor numeric, PRIMARY KEY (id, fecha)) PARTITION BY RANGE (fecha);
CREATE TABLE medidas_2025 PARTITION OF medidas FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE medidas_2026 PARTITION OF medidas FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX medidas_valor ON medidas (valor);
INSERT INTO medidas SELECT i, date '2025-06-01' + i, i FROM generate_series(0, 399) AS i;
CREATE TABLE hijas (id integer PRIMARY KEY, padre integer NOT NULL REFERENCES tipos, valor text);
INSERT INTO hijas SELECT i, 1 + i % 3000, md5(i::text) FROM generate_series(1, 20) AS i;
CREATE FUNCTION marca() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN new.valor := new.valor || '!'; RETURN new; END $$;
CREATE TRIGGER marca BEFORE INSERT ON hijas FOR EACH ROW EXECUTE FUNCTION marca();
CREATE VIEW altas AS SELECT id, folio FROM tipos WHERE tono = 'alto';
CREATE MATERIALIZED VIEW resumen AS SELECT count(*) AS cuenta FROM tipos;
CREATE INDEX tipos_expresion ON tipos (lower("Con Mayús"));
COMMENT ON TABLE tipos IS 'Con ''comillas''; y punto y coma';
SELECT nextval('turno');
"""


class Ground:
    """A database with contents, a prefix of its own in the bucket, and a site for both."""

    _numbers = itertools.count(1)

    def __init__(self, servers: Servers, admin: Connection, home: Path) -> None:
        self.servers, self.postgres, self.s3, self.admin, self.home = servers, servers.postgres, servers.s3, admin, home
        self.prefix = f"respaldos-{next(self._numbers)}/"
        self.proofs = home / "proofs"
        self.site = self.changed()

    def changed(self, *, database: dict[str, Any] | None = None, endpoint: str | None = None, **backup: Any) -> Site:
        """A site of this ground with some settings of ``backup`` changed."""
        storage = StorageSettings(
            endpoint_url=endpoint or self.servers.storage.storage_url,
            backup_bucket=BACKUPS,
            archive_bucket="muses-archivo",
            backup_prefix=self.prefix,
            reader=self.servers.reader,
            operator=self.servers.operator,
        )
        settings = EnvironmentSettings(
            database=self.postgres.settings(**(database or {})),
            storage=storage,
            backup=BackupSettings(**{"encryption": "none", "proof": self.proofs, **backup}),
        )
        return site_of(settings, self.home)

    def sealed(self) -> Site:
        """The site with a key of its own for client-side encryption."""
        identity = pyrage.x25519.Identity.generate()
        kept = self.home / "age"
        kept.write_text(str(identity))
        return self.changed(age_recipients=(str(identity.to_public()),), age_identity=Secret(file=kept))

    def backed_up(self, site: Site | None = None) -> BackedUp:
        """A published backup; what was committed before it began counts as unchanged since."""
        (row,) = self.admin.execute("SELECT pg_current_snapshot()::text AS snapshot").fetchall()
        made = running.backup(site or self.site)
        self.rewrite(made.folder, snapshot=row["snapshot"])
        return made

    def rewrite(self, folder: str, **changes: Any) -> None:
        """Put other values into the manifest, as the product never does."""
        manifest = msgspec.json.decode(self.body(f"{folder}{MANIFEST}"))
        self.put(f"{folder}{MANIFEST}", msgspec.json.encode({**manifest, **changes}))

    def damaged(self, folder: str, change: Callable[[bytes], bytes]) -> None:
        """The object of the dump is another, the manifest says so only of its version."""
        manifest = self.manifest(folder)
        self.rewrite(folder, version=self.put(manifest.object, change(self.body(manifest.object))))

    def resealed(self, folder: str, change: Callable[[bytes], bytes]) -> None:
        """The dump is another, sealed and hashed anew: nothing but a restore can tell."""
        manifest, settings, body = self.manifest(folder), self.site.settings.backup, bytearray()
        data = manifest.data
        with closing(places.store_at(places.place_of(self.site))) as store:
            dump = b"".join(reading.plain(store, data, manifest, settings))
        sealer = Sealer(settings, body.extend)
        sealer.feed(change(dump))
        sealer.finish()
        version, digest = self.put(manifest.object, bytes(body)), hashlib.sha256(body).hexdigest()
        plain = {"dump_bytes": sealer.bytes, "dump_sha256": sealer.sha256}
        self.rewrite(folder, version=version, bytes=len(body), sha256=digest, **plain)

    def manifest(self, folder: str) -> Manifest:
        """As it is in the bucket."""
        return msgspec.json.decode(self.body(f"{folder}{MANIFEST}"), type=Manifest)

    def written_proofs(self, folder: str) -> list[Proof]:
        """The proofs in the folder, the oldest first."""
        listed = self.s3.list_objects_v2(Bucket=BACKUPS, Prefix=f"{folder}proof-").get("Contents", ())
        return [msgspec.json.decode(self.body(item["Key"]), type=Proof) for item in listed]

    def leases(self) -> int:
        """How many leases are held below the prefix."""
        return int(self.s3.list_objects_v2(Bucket=BACKUPS, Prefix=f"{self.prefix}.leases/")["KeyCount"])

    def body(self, key: str) -> bytes:
        """An object's bytes."""
        found: bytes = self.s3.get_object(Bucket=BACKUPS, Key=key)["Body"].read()
        return found

    def put(self, key: str, body: bytes) -> str | None:
        """Write over an object, which the product never does; its version."""
        version: str | None = self.s3.put_object(Bucket=BACKUPS, Key=key, Body=body).get("VersionId")
        return version

    def site_file(self) -> Path:
        """The site as a file, for commands."""
        storage, file = self.servers, self.home / "site.toml"
        file.write_text(f"""
[site]
state = "{self.home / "state"}"
[environments.lab.database]
port = {self.postgres.port}
schema = "{SCHEMA}"
reader = {{ user = "muses_reader", password = {{ file = "{self.postgres.password}" }} }}
operator = {{ user = "muses_operator", password = {{ file = "{self.postgres.password}" }} }}
[environments.lab.storage]
endpoint_url = "{storage.storage.storage_url}"
backup_bucket = "{BACKUPS}"
backup_prefix = "{self.prefix}"
archive_bucket = "muses-archivo"
reader = {_keys(storage.reader)}
operator = {_keys(storage.operator)}
[environments.lab.backup]
encryption = "none"
proof = "{self.proofs}"
""")
        return file

    @contextmanager
    def replica(self) -> Iterator[int]:
        """A second server that follows the first; its port."""
        home, port, programs = self.home / "replica", free_ports().postgres, installations()["wheel"]
        home.mkdir(mode=0o700)
        source = ("-h", str(self.postgres.home), "-p", str(self.postgres.port), "-U", "postgres")
        subprocess.run([programs / "pg_basebackup", *source, "-D", home / "data", "-R", "-c", "fast"], check=True)
        options = (
            "-p",
            str(port),
            "-c",
            f"unix_socket_directories={home}",
            "-c",
            "fsync=off",
            "-c",
            "max_prepared_transactions=5",
        )
        argv: list[str | Path] = [
            *unprivileged(),
            programs / "postgres",
            "-D",
            home / "data",
            *options,
            "-c",
            "listen_addresses=127.0.0.1",
        ]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            until(lambda: self._has_followed(home, port), patience=30)
            yield port
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(30)

    def _has_followed(self, home: Path, port: int) -> bool:
        """Whether it is where the first is now."""
        (now,) = self.admin.execute("SELECT pg_current_wal_lsn()::text AS place").fetchall()
        query = "SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %s::pg_lsn"
        try:
            with closing(psycopg.connect(host=str(home), port=port, user="postgres", dbname=DATABASE)) as session:
                return bool(session.execute(query, [now["place"]]).fetchall()[0][0])
        except psycopg.OperationalError:
            return False

    def databases(self) -> set[str]:
        """What databases the server has."""
        return {row["datname"] for row in self.admin.execute("SELECT datname FROM pg_database").fetchall()}


@contextmanager
def ground_on(servers: Servers, home: Path) -> Iterator[Ground]:
    """A session of the superuser on the database, and an empty prefix."""
    with closing(servers.postgres.admin()) as admin:
        yield Ground(servers, admin, home)


def furnish(servers: Servers, rows: int = 300, tables: int = TABLES) -> None:
    """The lab's tables with rows, and the schema ``obra`` with one of everything and many small tables."""
    servers.postgres.make_tables()
    with closing(servers.postgres.admin()) as admin:
        admin.execute(f"SET search_path TO {SCHEMA}, public")
        fill(admin, rows)
        admin.execute("DROP SCHEMA IF EXISTS obra CASCADE; CREATE SCHEMA obra AUTHORIZATION muses_owner")
        admin.execute("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
        admin.execute("SET search_path TO obra; SET ROLE muses_owner")
        admin.execute(_ONE_OF_EVERYTHING)
        for number in range(tables):
            admin.execute(
                f"CREATE TABLE t{number:03} (id integer PRIMARY KEY, valor text, otra integer UNIQUE);"
                f"INSERT INTO t{number:03} SELECT i, md5(i::text), -i FROM generate_series(1, {number}) AS i"
            )
        admin.execute(
            "GRANT USAGE ON SCHEMA obra TO muses_reader; GRANT SELECT ON ALL TABLES IN SCHEMA obra TO muses_reader"
        )
        admin.execute(
            "SELECT lo_from_bytea(0, convert_to(repeat('ñ', i * 300), 'UTF8')) FROM generate_series(1, %s) AS i",
            [LARGE_OBJECTS],
        )


def _keys(keys: Keys) -> str:
    assert keys.access_key is not None
    assert keys.secret_key is not None
    return (
        f'{{ access_key = {{ file = "{keys.access_key.file}" }}, secret_key = {{ file = "{keys.secret_key.file}" }} }}'
    )
