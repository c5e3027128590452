"""PostgreSQL with the database ``sep_muses`` and its roles.

The server is the wheel's, or the system's where told; its data belong to the version that made them.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from lab.commands import Command
from lab.errors import LabError
from lab.installed import with_postgres
from lab.place import DATABASE, SUPERUSER, Place
from lab.ports import LOOPBACK
from lab.supervision import await_, run

if TYPE_CHECKING:
    import psycopg

NAME = "postgresql"
TITLE = "PostgreSQL"

MAX_CONNECTIONS = 60
APPLICATION_CONNECTIONS = 20  # what muses_app may open: eight workers, the ETL and SIGED fit, a leak soon does not

_NOBODY = 65534

# fsync off: a process may be killed at any time and nothing is lost; only a power failure could lose invented data.
# Dynamic shared memory in the data folder: a killed server leaves nothing in /dev/shm.
# A log file an hour, overwritten after a day; its times in UTC, because "CST" is the name of several zones.
_CONFIGURATION = """
listen_addresses = '{listen}'
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = {connections}
shared_buffers = 64MB
dynamic_shared_memory_type = mmap
fsync = off
synchronous_commit = off
full_page_writes = off
max_wal_size = 512MB
shared_preload_libraries = 'pg_stat_statements'
track_io_timing = on
timezone = 'America/Mexico_City'
log_timezone = 'UTC'
logging_collector = on
log_destination = 'jsonlog'
log_directory = '{logs}'
log_filename = 'postgresql-%H.log'
log_truncate_on_rotation = on
log_rotation_age = 60min
log_rotation_size = 0
log_min_duration_statement = 200ms
log_lock_waits = on
deadlock_timeout = 1s
"""
_ACCESS = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"

_ROLES = {
    "muses_owner": "",
    "muses_app": f"CONNECTION LIMIT {APPLICATION_CONNECTIONS}",
    "muses_reader": "",
    "muses_operator": "",
}
_RIGHTS = f"""
GRANT pg_monitor TO muses_reader, muses_operator;
GRANT pg_read_all_stats, pg_signal_backend, muses_owner TO muses_operator;
ALTER ROLE muses_reader SET default_transaction_read_only = on;
ALTER DATABASE {DATABASE} OWNER TO muses_owner;
ALTER DATABASE {DATABASE} SET timezone = 'America/Mexico_City';
REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE {DATABASE} TO muses_app, muses_reader, muses_operator;
"""
#: In the database itself: what the reader must be granted by name to be shown who may come in.
_SHOWN = """
GRANT SELECT ON pg_hba_file_rules TO muses_reader;
GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO muses_reader;
"""


def prepare(place: Place) -> None:
    """Make the data folder where there is none yet, and write the configuration anew: ports may have changed."""
    with_postgres(place.postgres)
    data = _data(place)
    data.parent.mkdir(mode=0o700, exist_ok=True)
    _hand_over(data.parent, place.logs, place.sockets)
    if not data.exists():
        _initialise(place, data.with_name("data.new"))
        data.with_name("data.new").rename(data)
    values = {"listen": LOOPBACK, "port": place.ports.postgres, "connections": MAX_CONNECTIONS}
    paths = {"sockets": _literal(place.sockets), "logs": _literal(place.logs)}
    (data / "postgresql.conf").write_text(_CONFIGURATION.format(**values, **paths))
    (data / "pg_hba.conf").write_text(_ACCESS)
    (data / "postmaster.pid").unlink(missing_ok=True)  # nothing of the lab runs now; a pid in it may be anybody's


def is_made(place: Place) -> bool:
    """Whether its data folder is there, whole."""
    return _data(place).exists()


def program(place: Place) -> Command:
    """The server in the foreground; SIGINT ends sessions and shuts down at once ("fast")."""
    argv = (*_unprivileged(), str(place.postgres / "postgres"), "-D", str(_data(place)))
    return Command(NAME, argv, stop_signal="INT")


def await_ready(place: Place, deadline: float) -> None:
    """Wait until it takes connections, crash recovery included."""
    import psycopg

    def answers() -> bool:
        try:
            _administering(place, "postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    await_(place, TITLE, answers, deadline, NAME)


def furnish(place: Place) -> None:
    """Roles, database, extensions and the tables with their records; what stands already stays."""
    from lab.schema import install

    with _administering(place, "postgres") as connection:
        for role, limits in _ROLES.items():
            _grant_login(connection, role, limits, place.secret(f"database-{role}"))
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        connection.execute(_RIGHTS)
    with _administering(place, DATABASE) as connection:
        connection.execute(_SHOWN)
        for extension in ("pg_stat_statements", "hypopg"):
            if connection.execute("SELECT FROM pg_available_extensions WHERE name = %s", [extension]).rowcount:
                connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    install(place)


def forget_statements(place: Place) -> None:
    """Empty the statistics of statements: what the lab itself did to set up would be the slowest of all."""
    with _administering(place, DATABASE) as connection:
        connection.execute("SELECT pg_stat_statements_reset()")


def _initialise(place: Place, draft: Path) -> None:
    """Make the data in a folder that takes its name only when whole: a lab may be killed in the middle of it."""
    shutil.rmtree(draft, ignore_errors=True)
    password = place.home / "postgres" / "password"
    password.touch(mode=0o600)
    password.write_text(place.secret(f"database-{SUPERUSER}"))
    _hand_over(password)
    locale = ("--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres")
    access = ("--auth=scram-sha-256", f"--pwfile={password}")
    initdb = (str(place.postgres / "initdb"), "--no-sync", "--no-instructions", "-D", str(draft))
    done = run(place, *_unprivileged(), *initdb, *locale, *access)
    password.unlink()
    if done.returncode:
        raise LabError(f"initdb no pudo crear {draft}:\n{done.stdout}")


def _administering(place: Place, database: str) -> psycopg.Connection[tuple[object, ...]]:
    import psycopg

    return psycopg.connect(place.conninfo(SUPERUSER), dbname=database, autocommit=True, application_name="lab")


def _grant_login(connection: psycopg.Connection[tuple[object, ...]], role: str, limits: str, password: str) -> None:
    """Only the password's verifier is sent: statements are logged and kept in statistics."""
    from psycopg import sql

    if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    alter = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {} " + limits)
    connection.execute(alter.format(sql.Identifier(role), sql.Literal(verifier.decode())))


@functools.cache
def _unprivileged() -> tuple[str, ...]:
    """What to put before the server's programs: they refuse to run as root, so root runs them as nobody.

    In a user namespace the files stay ours; where there are none, they are handed over to nobody.
    """
    if os.geteuid() != 0:
        return ()
    namespace = ("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}", "--")
    if shutil.which("unshare") and _works(*namespace, "true"):
        return namespace
    return ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--")


def _works(*argv: str) -> bool:
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def _hand_over(*paths: Path) -> None:
    if _unprivileged()[:1] == ("setpriv",):
        for path in paths:
            os.chown(path, _NOBODY, _NOBODY)


def _data(place: Place) -> Path:
    return place.home / "postgres" / "data"


def _literal(path: Path) -> str:
    return str(path).replace("'", "''")
