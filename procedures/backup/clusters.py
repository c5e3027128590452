"""A throwaway PostgreSQL to restore a backup into: on a socket of its own, in a folder of its own, gone afterwards.

Nobody else reaches it: it listens on no port, its socket lies in a folder that only we can enter, and only its own
superuser may log in. It promises nothing about a power failure, which makes it fast: what it holds is in the bucket.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from procedures.backup.programs import Programs, failed
from procedures.backup.proof_folders import PORT, STOPPING, check_room, folder_of, own_folder, sockets_of, sweep
from procedures.backup.unprivileged import handed_over, unprivileged
from runbook.errors import ActionError
from runbook.settings import DatabaseSettings, Login
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.working import working

#: Of its own name: whatever roles a backup brings, none of them is the one that restores.
SUPERUSER = "muses_runbook_proof"
#: A cluster that holds nothing, with the log of its changes.
EMPTY = 10**9
_PATIENCE = 60.0

_ACCESS = f"local all {SUPERUSER} trust\n"
_CONFIGURATION = """
listen_addresses = ''
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 20
max_locks_per_transaction = {locks}
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 512MB
checkpoint_timeout = 30min
autovacuum = off
jit = off
shared_buffers = 128MB
maintenance_work_mem = 256MB
work_mem = 32MB
max_parallel_maintenance_workers = 2
dynamic_shared_memory_type = mmap
shared_preload_libraries = ''
logging_collector = off
log_error_verbosity = terse
log_min_error_statement = panic
lc_messages = 'C'
"""


@dataclass(frozen=True)
class Cluster:
    """A running cluster; ``folder`` is also the place for what a restore needs beside it."""

    folder: Path
    sockets: Path
    programs: Programs

    def access(self, database: str = "postgres") -> Access:
        """How to get into one of its databases, as its superuser."""
        login = Login(user=SUPERUSER)
        settings = DatabaseSettings(
            host=str(self.sockets), port=PORT, name=database, sslmode="disable", reader=login, operator=login
        )
        return Access("proof", "backup.proof", settings)


@contextmanager
def throwaway(programs: Programs, place: Path | None, need: int, *, locks: int = 256) -> Iterator[Cluster]:
    """A running cluster below ``place`` (else below the machine's folder for such) for as long as the block lasts.

    ``need`` is how many bytes must be free there. Clusters that killed processes left behind are removed first.
    Raises SettingsError where there is no such folder or no room, or where programs are missing, ActionError where it
    does not start.
    """
    below = folder_of(place)
    sweep(below)
    check_room(below, need)
    with own_folder(below) as folder:
        _initialise(programs, folder, locks)
        with _running(programs, folder):
            yield Cluster(folder, sockets_of(folder), programs)


def _initialise(programs: Programs, folder: Path, locks: int) -> None:
    data, sockets = folder / "data", sockets_of(folder)
    if sockets != folder:
        sockets.mkdir(mode=0o700)
    handed_over(folder, sockets)
    argv = (programs.path("initdb"), "--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C", "--auth=reject")
    made = subprocess.run(
        [*unprivileged(), *argv, f"--username={SUPERUSER}", "-D", str(data)],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_environment(),
    )
    if made.returncode:
        raise failed("initdb", made.returncode, made.stderr)
    quoted = str(sockets).replace("'", "''")
    (data / "postgresql.conf").write_text(_CONFIGURATION.format(port=PORT, sockets=quoted, locks=locks))
    (data / "pg_hba.conf").write_text(_ACCESS)


@contextmanager
def _running(programs: Programs, folder: Path) -> Iterator[None]:
    """The server, in a session of its own: a Ctrl-C is for us, and we stop it."""
    argv = (*unprivileged(), programs.path("postgres"), "-D", str(folder / "data"))
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(),
            start_new_session=True,
        )
    try:
        _await(server, folder, programs)
        yield
    finally:
        _stop(server)


def _await(server: subprocess.Popen[bytes], folder: Path, programs: Programs) -> None:
    """Until it lets us in. Raises Failed where it ends instead, ActionError where it takes too long."""
    access, ends = Cluster(folder, sockets_of(folder), programs).access(), time.monotonic() + _PATIENCE
    while server.poll() is None:
        try:
            with working(access, "restore-test"):
                return
        except ActionError:
            if time.monotonic() > ends:
                raise
        time.sleep(0.05)
    raise failed("postgres", server.returncode, (folder / "log").read_bytes())


def _stop(server: subprocess.Popen[bytes]) -> None:
    """At once, without writing anything: it is to be removed."""
    if server.poll() is None:
        server.send_signal(signal.SIGQUIT)
        try:
            server.wait(STOPPING)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _environment() -> dict[str, str]:
    """Nothing that somebody set for PostgreSQL's programs reaches ours; their words are the ones that we know."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}
