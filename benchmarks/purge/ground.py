"""The servers that are measured on: a PostgreSQL that keeps its promises (fsync on) and the lab's object store."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg

from lab.commands import Command
from lab.place import ARCHIVE_BUCKET, BACKUP_BUCKET, DATABASE, REGION, SUPERUSER, Place
from lab.ports import LOOPBACK
from lab.servers import postgres, storage

#: What a database of this size is given, and nothing that makes it forget: the lab's own server has fsync off.
CONFIGURATION = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "shared_buffers": "512MB",
    "effective_cache_size": "8GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "random_page_cost": "1.1",
    "track_io_timing": "off",
    "log_min_duration_statement": "-1",
    "log_lock_waits": "off",
}
_POLICIES = {
    "reader": ["s3:Get*", "s3:List*"],
    "operator": ["s3:Get*", "s3:List*", "s3:PutObject*", "s3:DeleteObject*", "s3:AbortMultipartUpload"],
}
BACKUP_PREFIX = f"{DATABASE}/"


@dataclass(frozen=True)
class Ground:
    """Both servers, running. ``sep_muses`` holds the rows; who changes them gets a copy of it."""

    place: Place
    pids: dict[str, int]

    def admin(self, database: str = DATABASE) -> psycopg.Connection[Any]:
        """The superuser, in autocommit."""
        return self._session(SUPERUSER, database)

    def operator(self, database: str) -> psycopg.Connection[Any]:
        """Who purges, whichever way: over TCP, in autocommit, the schema's tables by their names."""
        return self._session("muses_operator", database)

    def service(self, database: str) -> psycopg.Connection[Any]:
        """A session of SEP-MUSES itself, over TCP, in autocommit."""
        return self._session("muses_app", database)

    def s3(self, identity: str = "operator") -> Any:
        """The object store, for ``reader`` or ``operator``; tries once, so that no slow answer hides in a retry."""
        return _client("s3", self.place.s3_options(identity))

    @contextlib.contextmanager
    def copy(self, name: str) -> Iterator[str]:
        """A database of that name with the same rows, in the same places of the same files; gone afterwards."""
        with self.admin("postgres") as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {DATABASE} OWNER muses_owner STRATEGY FILE_COPY")
            admin.execute(f"ALTER DATABASE {name} SET timezone = 'America/Mexico_City'")
            admin.execute("CHECKPOINT")
        try:
            yield name
        finally:
            with self.admin("postgres") as admin:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def publish_backup(self) -> None:
        """A backup that looks finished and verified just now: a purge wants one before it deletes."""
        s3, body, folder = self.s3(), b"no backup, only its place", f"{BACKUP_PREFIX}bench/"
        manifest = {
            "object": f"{folder}dump",
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "finished_at": datetime.now(UTC).isoformat(),
            "verified": True,
        }
        s3.put_object(Bucket=BACKUP_BUCKET, Key=f"{folder}dump", Body=body)
        s3.put_object(Bucket=BACKUP_BUCKET, Key=f"{folder}manifest.json", Body=json.dumps(manifest).encode())

    def _session(self, role: str, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self.place.conninfo(role),
            dbname=database,
            autocommit=True,
            application_name=f"bench-{role}",
            options=f"-c search_path={self.place.schema},public",
        )


@contextlib.contextmanager
def ground(below: Path | None = None) -> Iterator[Ground]:
    """Both servers from nothing, in a new folder ``below`` the given one; neither is left, nor is the folder.

    A TERM ends this process as Ctrl-C does, so that what was started is ended then too.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    storage.install()
    home = Path(tempfile.mkdtemp(prefix="muses-bench-", dir=below))
    try:
        place = Place.new(home)
        with _database(place) as database, _objects(place) as objects:
            made = Ground(place, {"PostgreSQL": database, "object store": objects})
            made.publish_backup()
            yield made
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _database(place: Place) -> Iterator[int]:
    postgres.prepare(place)
    program = postgres.program(place)
    flags = tuple(word for name, value in CONFIGURATION.items() for word in ("-c", f"{name}={value}"))
    with _running(place, Command(program.name, (*program.argv, *flags)), signal.SIGINT) as pid:
        _until(lambda: _answers(place), "PostgreSQL")
        postgres.furnish(place)
        yield pid


@contextlib.contextmanager
def _objects(place: Place) -> Iterator[int]:
    storage.prepare(place)
    with _running(place, storage.program(place), signal.SIGKILL) as pid:
        _until(lambda: _listens(place), "the object store")
        root = {
            "endpoint_url": place.storage_url,
            "region_name": REGION,
            "aws_access_key_id": place.secret("storage-root-access-key"),
            "aws_secret_access_key": place.secret("storage-root-secret-key"),
        }
        s3 = _client("s3", root)
        for bucket in (BACKUP_BUCKET, ARCHIVE_BUCKET):
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for identity, actions in _POLICIES.items():
            _admit(place, _client("iam", root), identity, actions)
        yield pid


def _admit(place: Place, iam: Any, identity: str, actions: list[str]) -> None:
    user = f"muses_{identity}"
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="muses", PolicyDocument=policy)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    place.keep_secret(f"storage-{identity}-access-key", key["AccessKeyId"])
    place.keep_secret(f"storage-{identity}-secret-key", key["SecretAccessKey"])


@contextlib.contextmanager
def _running(place: Place, command: Command, ending: signal.Signals) -> Iterator[int]:
    """The program's id. It has a session of its own: a Ctrl-C reaches it only through us, when its clients are done."""
    with (place.logs / f"{command.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command.argv,
            env={**os.environ, **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        process.send_signal(ending)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _client(service: str, options: dict[str, str]) -> Any:
    import boto3
    from botocore.config import Config

    patient = Config(retries={"max_attempts": 1}, read_timeout=300, s3={"addressing_style": "path"})
    return boto3.client(service, config=patient, **options)  # type: ignore[call-overload]  # a variable service


def _answers(place: Place) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(place.conninfo(SUPERUSER), dbname="postgres").close()
        return True
    return False


def _listens(place: Place) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection((LOOPBACK, place.ports.storage), timeout=1).close()
        return True
    return False


def _until(holds: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + 30
    while not holds():
        if time.monotonic() > ends:
            raise SystemExit(f"{what} does not start")
        time.sleep(0.05)
