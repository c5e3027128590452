"""Backups of the lab's database in its bucket: made for real, read back, and published by their manifest, last."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.incidents.database import UNSEEN, unseen
from lab.place import BACKUP_BUCKET, DATABASE, SUPERUSER, Place
from lab.records import ZONE

#: A client of boto3; its types come with an extra package only.
Storage = Any

_PREFIX = f"{DATABASE}/"
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Backup:
    """A published backup: its folder in the bucket and when it was finished."""

    folder: str
    finished_at: datetime
    manifest: dict[str, Any]


def fresh_backup(place: Place) -> str:
    """Back up the database now, prove that the copy in the bucket is whole, publish it; returns its folder.

    Raises LabError where ``pg_dump`` fails or what comes back is not what was sent.
    """
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(dir=place.home) as folder, storing(place) as storage:
        dump = Path(folder, "data.dump")
        with _snapshot(place) as (snapshot, contents):
            _run(place, "pg_dump", "--format=custom", f"--snapshot={snapshot}", f"--file={dump}")
        key = f"{_folder(started)}data.dump"
        storage.upload_file(str(dump), BACKUP_BUCKET, key)
        digest = _digest(dump)
        back = Path(folder, "back.dump")
        storage.download_file(BACKUP_BUCKET, key, str(back))
        if _digest(back) != digest:
            raise LabError(f"el respaldo {key} no volvió igual del almacenamiento")
        _run(place, "pg_restore", "--file=/dev/null", str(back))
        size = dump.stat().st_size
        plain = {"dump_bytes": size, "dump_sha256": digest}
        stored = _stored(storage, key) | {"bytes": size, "sha256": digest} | plain
        manifest = {"format": 1, "verified": True, **stored, **contents, **_times(started, datetime.now(UTC))}
        publish(storage, _folder(started), manifest)
    return _folder(started)


def published(storage: Storage) -> list[Backup]:
    """The backups that have a manifest, newest first by its time."""
    pages = storage.get_paginator("list_objects_v2").paginate(Bucket=BACKUP_BUCKET, Prefix=_PREFIX)
    keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
    found = [_read(storage, key) for key in keys if key.endswith(f"/{_MANIFEST}")]
    return sorted(found, key=lambda backup: backup.finished_at, reverse=True)


def publish_older(storage: Storage, backup: Backup, age: timedelta) -> None:
    """Publish a copy of a backup as one that was finished ``age`` ago."""
    finished = datetime.now(UTC) - age
    folder = _folder(finished)
    source = {"Bucket": BACKUP_BUCKET, "Key": backup.manifest["object"]}
    key = f"{folder}data.dump"
    storage.copy(source, BACKUP_BUCKET, key)
    times = _times(finished - timedelta(minutes=3), finished)
    publish(storage, folder, backup.manifest | _stored(storage, key) | {"globals": None} | times)


def publish(storage: Storage, folder: str, manifest: dict[str, Any]) -> None:
    """Write the manifest: from now on the backup exists."""
    storage.put_object(
        Bucket=BACKUP_BUCKET,
        Key=f"{folder}{_MANIFEST}",
        Body=json.dumps(manifest).encode(),
        ContentType="application/json",
    )


def remove(storage: Storage, backup: Backup) -> None:
    """Remove all objects of a backup's folder, manifest first; the bucket's older versions stay."""
    manifest = f"{backup.folder}{_MANIFEST}"
    found = storage.list_objects_v2(Bucket=BACKUP_BUCKET, Prefix=backup.folder)["Contents"]
    for key in (manifest, *(one["Key"] for one in found if one["Key"] != manifest)):
        storage.delete_object(Bucket=BACKUP_BUCKET, Key=key)


@contextlib.contextmanager
def storing(place: Place) -> Iterator[Storage]:
    """The object store as operator."""
    import boto3

    options: dict[str, Any] = {**place.s3_options("operator")}
    storage = boto3.client("s3", **options)
    try:
        yield storage
    finally:
        storage.close()


def _read(storage: Storage, key: str) -> Backup:
    with contextlib.closing(storage.get_object(Bucket=BACKUP_BUCKET, Key=key)["Body"]) as body:
        manifest = json.loads(body.read())
    return Backup(key.removesuffix(_MANIFEST), datetime.fromisoformat(manifest["finished_at"]), manifest)


def _folder(at: datetime) -> str:
    """Named by the site's local time, as the backup's hour is."""
    return f"{_PREFIX}{at.astimezone(ZONE):%Y-%m-%dT%H%M}/"


def _stored(storage: Storage, key: str) -> dict[str, Any]:
    """What the storage says of the dump; how it is compressed is inside of it."""
    head = storage.head_object(Bucket=BACKUP_BUCKET, Key=key)
    encryption = {"server": head.get("ServerSideEncryption"), "client": None}
    return {"object": key, "version": head.get("VersionId"), "compression": None, "encryption": encryption}


def _times(started: datetime, finished: datetime) -> dict[str, str]:
    day = f"{started.astimezone(ZONE):%Y-%m-%d}"
    return {"started_at": _text(started), "finished_at": _text(finished), "local_date": day}


def _text(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


_SERVER = """
SELECT current_database(), system_identifier::text, current_setting('server_version'),
    (SELECT count(*) FROM pg_largeobject_metadata)
FROM pg_control_system()
"""
_TABLES = """
SELECT n.nspname, c.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""


@contextlib.contextmanager
def _snapshot(place: Place) -> Iterator[tuple[str, dict[str, Any]]]:
    """A snapshot to dump, and what the manifest says of it: the server, and the rows of each table."""
    from psycopg import IsolationLevel, sql

    with unseen(place) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            (id,) = _row(connection.execute("SELECT pg_export_snapshot()"))
            database, identifier, version, large = _row(connection.execute(_SERVER))
            tables = {}
            for schema, name in connection.execute(_TABLES).fetchall():
                counting = sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, name))
                (tables[f"{schema}.{name}"],) = _row(connection.execute(counting))
            server = {"database": database, "system_identifier": identifier, "server_version": version}
            programs = f"PostgreSQL {version.partition('.')[0]}"
            yield id, {**server, "programs": programs, "tables": tables, "large_objects": large}


def _row(answer: Any) -> Any:
    return answer.fetchone()


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _run(place: Place, program: str, *arguments: str) -> None:
    """Run a program of the server's version. How it connects is in its environment: arguments are for all to see."""
    from psycopg.conninfo import conninfo_to_dict

    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
    given = conninfo_to_dict(place.conninfo(SUPERUSER))
    connection = {variable: str(given[name]) for name, variable in names.items()} | {"PGOPTIONS": UNSEEN}
    argv = (str(place.postgres / program), *arguments)
    done = subprocess.run(argv, env=os.environ | connection, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{program} falló: {done.stderr.strip()}")
