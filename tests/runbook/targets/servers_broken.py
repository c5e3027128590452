"""A PostgreSQL that is broken where a running server cannot be broken: its files, its archive, its age."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.runbook.targets.servers_postgres import PostgresServer

#: The table with the wrong page.
WRONG = "dañada"
AGE = 400_000_000


@contextmanager
def broken_server(programs: Path) -> Iterator[PostgresServer]:
    """A server with a page that is wrong, an archive that fails, and 400 million transactions that nobody freezes."""
    server = PostgresServer(programs)
    try:
        server.start("--data-checksums")
        with closing(server.admin()) as admin:
            admin.execute(f"CREATE TABLE {WRONG} AS SELECT n FROM generate_series(1, 1000) AS n")
            admin.execute("ALTER SYSTEM SET archive_command = 'false'")
            found = admin.execute(f"SELECT pg_relation_filepath('{WRONG}') AS file").fetchone()
        assert found is not None
        file = found["file"]
        server.restart(
            lambda data: _hurt(server, data, file), archive_mode="on", autovacuum_freeze_max_age="2000000000"
        )
        yield server
        with closing(server.admin()) as admin:  # else it tries again before it stops
            admin.execute("ALTER SYSTEM SET archive_command = 'true'")
            admin.execute("SELECT pg_reload_conf()")
    finally:
        server.stop()


def _hurt(server: PostgresServer, data: Path, file: str) -> None:
    with (data / file).open("r+b") as page:
        page.seek(4_000)
        page.write(b"not what was written")
    server.run("pg_resetwal", "-x", str(AGE), "-D", str(data))
    segment = data / "pg_xact" / "017D"  # that of this number, which the server never came by
    segment.write_bytes(bytes(256 << 10))
    owner = (data / "pg_xact").stat()
    shutil.chown(segment, owner.st_uid, owner.st_gid)
