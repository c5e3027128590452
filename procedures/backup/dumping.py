"""The dump itself: one snapshot, ``pg_dump`` of it streamed through the sealer into an upload, no file in between.

A shell pipe reports the exit of its last program. Here the upload is completed only when every program exited with 0.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any

import msgspec

from procedures.backup.programs import Failed, Programs, environment, failed
from procedures.backup.sealing import Sealer
from procedures.backup.watching import Tell, ignored
from runbook.errors import ActionError
from runbook.settings import BackupSettings
from runbook.targets.postgres.access import Access
from runbook.targets.s3.uploads import Uploading
from runbook.text import text

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection

_PIECE = 1 << 20
#: Of what a program says on its way out, this much is kept.
_WORDS = 16 * 1024
#: How ``pg_dump`` says that it waited for a lock as long as it was to: it knows no other limit.
_WAITED = b"canceling statement due to statement timeout"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was dumped: which transactions it saw (``xmin:xmax:…``), and the rows of each ``schema.table``."""

    id: str
    seen: str
    tables: dict[str, int]
    large_objects: int


class Dumped(msgspec.Struct, frozen=True, kw_only=True):
    """What went into the upload: the plain dump's bytes and SHA-256."""

    bytes: int
    sha256: str


@contextmanager
def snapshot(connection: Connection, lock_wait: timedelta) -> Iterator[str]:
    """An exported snapshot, alive within the block: what is dumped and what is counted is the same.

    Counting waits for locks as long as ``pg_dump`` does: where it gave up sooner, the snapshot would be gone.
    """
    connection.execute("SET idle_in_transaction_session_timeout = 0")
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{_milliseconds(lock_wait)}ms"])
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        (row,) = connection.execute("SELECT pg_export_snapshot() AS id").fetchall()
        yield str(row["id"])


_TABLES = """
SELECT n.nspname AS schema, c.relname AS name
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""


def counted(connection: Connection, id: str) -> Snapshot:
    """The rows of every table, in the snapshot that the transaction holds. One scan a table."""
    from psycopg import sql

    tables: dict[str, int] = {}
    for row in connection.execute(_TABLES).fetchall():
        query = sql.SQL("SELECT count(*) AS rows FROM ONLY {}").format(sql.Identifier(row["schema"], row["name"]))
        tables[f"{row['schema']}.{row['name']}"] = connection.execute(query).fetchall()[0]["rows"]
    (now,) = connection.execute("SELECT pg_current_snapshot()::text AS seen").fetchall()
    (large,) = connection.execute("SELECT count(*) AS count FROM pg_largeobject_metadata").fetchall()
    return Snapshot(id=id, seen=now["seen"], tables=tables, large_objects=large["count"])


def dump(
    programs: Programs,
    access: Access,
    settings: BackupSettings,
    snapshot: str,
    upload: Uploading,
    tell: Tell,
) -> Dumped:
    """``pg_dump`` of the snapshot into the upload, which is left to the caller to complete. ``tell`` hears of bytes.

    Raises Failed where ``pg_dump`` did not exit with 0, ActionError where the upload failed.
    """
    arguments = (
        programs.path("pg_dump"),
        "--format=custom",
        "--compress=0",
        f"--snapshot={snapshot}",
        f"--lock-wait-timeout={_milliseconds(settings.lock_wait)}",
        "--no-password",
    )
    return _streamed(arguments, access, settings, upload, tell)


def dump_globals(programs: Programs, access: Access, settings: BackupSettings, upload: Uploading) -> Dumped:
    """Roles and settings of the cluster, which no dump of a database holds. Raises as ``dump`` does."""
    arguments = [programs.path("pg_dumpall"), "--globals-only", "--no-password", f"--database={access.settings.name}"]
    if not settings.role_passwords:
        arguments.append("--no-role-passwords")
    return _streamed(tuple(arguments), access, settings, upload, ignored)


def _streamed(
    arguments: tuple[str, ...], access: Access, settings: BackupSettings, upload: Uploading, tell: Tell
) -> Dumped:
    name = arguments[0].rpartition("/")[2]
    sealer = Sealer(settings, upload.write)
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(access.parameters("operator")),
    )
    words = _Words(process.stderr)
    try:
        while piece := process.stdout.read(_PIECE) if process.stdout else b"":
            sealer.feed(piece)
            tell(sealer.bytes)
        code = process.wait()
        said = words.all()
        if code != 0:
            raise _waited(name, settings) if _WAITED in said else failed(name, code, said)
        if not sealer.bytes:
            raise ActionError("database", name, text("{program} wrote nothing and said nothing", program=name))
        sealer.finish()
        return Dumped(bytes=sealer.bytes, sha256=sealer.sha256)
    finally:
        sealer.abandon()
        _end(process)


class _Words:
    """Collects what a program says on standard error, so that it never waits for us to read it."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._said = bytearray()
        self._thread = threading.Thread(target=self._listen, args=(stream,), daemon=True)
        self._thread.start()

    def all(self) -> bytes:
        """The last of what it said, once it is gone."""
        self._thread.join(5)
        return bytes(self._said)

    def _listen(self, stream: IO[bytes] | None) -> None:
        while words := stream.read1(4096) if stream else b"":  # type: ignore[attr-defined]
            self._said += words
            del self._said[:-_WORDS]


def _waited(program: str, settings: BackupSettings) -> Failed:
    said = text(
        "{program} waited {limit} for a lock that somebody holds on one of the tables: see who blocks, or raise "
        "backup.lock_wait",
        program=program,
        limit=settings.lock_wait,
    )
    return Failed("database", program, said)


def _milliseconds(limit: timedelta) -> int:
    return int(limit.total_seconds() * 1000)


def _end(process: subprocess.Popen[Any]) -> None:
    """No program outlives us. It is killed first: a stream that is just being read is closed only when it ends."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
