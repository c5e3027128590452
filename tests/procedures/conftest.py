"""A real PostgreSQL and a real S3 server for the tests of procedures: one of each a session, new tables a test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec
import pytest

from lab.place import ARCHIVE_BUCKET, BACKUP_BUCKET, Place
from procedures.archive.reading import Archive
from runbook.settings import (
    ArchiveSettings,
    EnvironmentSettings,
    Keys,
    Secret,
    Settings,
    SiteSettings,
    StorageSettings,
)
from runbook.site import Site, open_site
from runbook.targets.postgres.access import Access
from runbook.targets.s3.objects import ObjectStore, open_store
from tests.procedures.archiver import PINNED, Archiver
from tests.runbook.targets.servers_postgres import DATABASE, SCHEMA, Connection, PostgresServer, installations
from tests.runbook.targets.servers_storage import root, storage_server, user

#: Practice: the store of the tests proves no encryption. Each test has a prefix of its own.
PLAIN = ArchiveSettings(encryption="none", storage_class="STANDARD")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server with the roles and an empty database."""
    server = PostgresServer(next(iter(installations().values())))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def storage_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server with the two buckets, both with versions."""
    with storage_server(tmp_path_factory.mktemp("storage") / "lab") as place:
        s3 = root(place)
        for bucket in (BACKUP_BUCKET, ARCHIVE_BUCKET):
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        yield place


@pytest.fixture(scope="session")
def storage_settings(storage_place: Place) -> StorageSettings:
    """The buckets under a reader who only reads and an operator who writes too."""
    reading = ("s3:Get*", "s3:List*")
    keys = {}
    for identity, actions in {"reader": reading, "operator": (*reading, "s3:Put*", "s3:Delete*", "s3:Abort*")}.items():
        access, secret = user(storage_place, f"procedures-{identity}", *actions)
        keys[identity] = Keys(access_key=Secret(file=access), secret_key=Secret(file=secret))
    return StorageSettings(
        endpoint_url=storage_place.storage_url,
        backup_bucket=BACKUP_BUCKET,
        archive_bucket=ARCHIVE_BUCKET,
        reader=keys["reader"],
        operator=keys["operator"],
    )


@pytest.fixture
def archive_site(
    postgres: PostgresServer, storage_settings: StorageSettings, admin: Connection, tmp_path: Path
) -> Site:
    """A site with new, empty tables and an empty archive of its own."""
    environment = EnvironmentSettings(
        database=postgres.settings(),
        storage=storage_settings,
        archive=msgspec.structs.replace(PLAIN, prefix=f"test-{next(_numbers)}/"),
    )
    return open_site(Settings(site=SiteSettings(state=tmp_path / "state"), environments={"lab": environment}))


@pytest.fixture
def admin(postgres: PostgresServer) -> Iterator[Connection]:
    """The superuser in a database with new, empty tables; text is written as the archive has it."""
    postgres.make_tables()
    with closing(postgres.admin()) as connection:
        connection.execute(f"SET search_path TO {SCHEMA}, public")
        for name, value in PINNED.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        yield connection


@pytest.fixture
def access(archive_site: Site) -> Access:
    """The database as the site file names it."""
    assert archive_site.settings.database is not None
    return Access("database", "environments.lab.database", archive_site.settings.database)


@pytest.fixture(scope="session")
def stores(storage_settings: StorageSettings) -> Iterator[dict[str, ObjectStore]]:
    """The archive's bucket under the reader and the operator: making a client takes longer than most tests."""
    with ExitStack() as made:
        yield {
            identity: made.enter_context(
                closing(open_store("storage", storage_settings, PLAIN, identity=identity, bucket=ARCHIVE_BUCKET))
            )
            for identity in ("reader", "operator")
        }


@pytest.fixture
def archive(archive_site: Site, stores: dict[str, ObjectStore]) -> Archive:
    """The site's archive, as ``reading.opened`` opens it."""
    return Archive(stores["reader"], archive_site.settings.archive, DATABASE, SCHEMA, archive_site.zone)


@pytest.fixture
def archiver(archive_site: Site, stores: dict[str, ObjectStore], admin: Connection) -> Archiver:
    """Writes batches into the site's archive, right ones and wrong ones."""
    return Archiver(stores["operator"], archive_site.settings.archive, admin, DATABASE)
