"""A real PostgreSQL and a real S3 server for the guards of acting runs: one of each a session, apart for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing

import pytest

from lab.place import Place
from runbook.settings import (
    ActingSettings,
    BackupSettings,
    EnvironmentSettings,
    Keys,
    PurgeSettings,
    Secret,
    StorageSettings,
)
from tests.faulty_store import FaultyStore, faulty_store
from tests.runbook.fakes import ACTS
from tests.runbook.targets.servers_postgres import PASSWORD, Connection, PostgresServer, installations
from tests.runbook.targets.servers_storage import root, storage_server, user

#: The last one locks what is written.
BUCKET, ARCHIVE, LOCKED = "muses-guardias", "muses-archivo", "muses-bitacora"
WRITING = ("s3:Get*", "s3:List*", "s3:Put*", "s3:Delete*", "s3:Abort*")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def guard_postgres() -> Iterator[PostgresServer]:
    """A server with the roles and an empty database."""
    server = PostgresServer(next(iter(installations().values())))
    try:
        server.start()
        with closing(server.admin()) as admin:
            admin.execute(f"CREATE ROLE muses_journal LOGIN PASSWORD '{PASSWORD}'")
        server.make_tables()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def guard_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A store with two buckets."""
    with storage_server(tmp_path_factory.mktemp("guards") / "lab") as place:
        s3 = root(place)
        s3.create_bucket(Bucket=BUCKET)
        s3.create_bucket(Bucket=ARCHIVE)
        s3.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
        for bucket in (BUCKET, ARCHIVE, LOCKED):
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        yield place


@pytest.fixture(scope="session")
def guard_storage(guard_place: Place) -> StorageSettings:
    """The first bucket, under an operator who may do everything but lift a lock."""
    access, secret = user(guard_place, "guard", *WRITING)
    keys = Keys(access_key=Secret(file=access), secret_key=Secret(file=secret))
    return StorageSettings(
        endpoint_url=guard_place.storage_url,
        backup_bucket=BUCKET,
        archive_bucket=ARCHIVE,
        reader=keys,
        operator=keys,
    )


@pytest.fixture
def guard_admin(guard_postgres: PostgresServer) -> Iterator[Connection]:
    """The superuser."""
    with closing(guard_postgres.admin()) as connection:
        yield connection


@pytest.fixture
def guarded(guard_postgres: PostgresServer, guard_storage: StorageSettings) -> EnvironmentSettings:
    """An environment with both servers, and a schema and a folder of its own for the locks."""
    number = next(_numbers)
    return EnvironmentSettings(
        database=guard_postgres.settings(),
        storage=guard_storage,
        policy=ACTS,
        backup=BackupSettings(encryption="none"),
        purge=PurgeSettings(state_schema=f"guard_{number}"),
        acting=ActingSettings(lease_prefix=f"acting-{number}/"),
    )


@pytest.fixture
def faults(guard_place: Place) -> Iterator[FaultyStore]:
    """The store through a proxy that fails as it is told."""
    with faulty_store(guard_place) as store:
        yield store
