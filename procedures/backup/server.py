"""What a backup asks of the server that it dumps, and the lock that it holds there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from procedures.backup.places import Place
from runbook.errors import LockError
from runbook.targets.postgres.working import working
from runbook.text import text

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection

#: The advisory lock's two numbers: ours, and the backup's ("MUSE", 2).
_LOCK = (0x4D555345, 2)


class Server(msgspec.Struct, frozen=True, kw_only=True):
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


def server_of(connection: Connection) -> Server:
    """Who is at the other end. Reads only."""
    (row,) = connection.execute(
        "SELECT current_database() AS database, system_identifier::text AS identifier, "
        "current_setting('server_version') AS version, current_setting('server_version_num')::int AS number, "
        "pg_database_size(current_database()) AS bytes FROM pg_control_system()"
    ).fetchall()
    return Server(**row)


def system_identifier(place: Place) -> str:
    """Who the database system is, by its own word. Under the reader's identity."""
    with working(place.access, "backup", "reader") as connection:
        return server_of(connection).identifier


def hold(connection: Connection) -> None:
    """Keep every other backup of this database out for as long as the session lasts. Raises LockError."""
    (row,) = connection.execute("SELECT pg_try_advisory_lock(%s, %s) AS taken", list(_LOCK)).fetchall()
    if not row["taken"]:
        raise LockError(text("Another backup works on this database: wait for it or stop it"))
