"""A throwaway PostgreSQL to restore a backup into: on a socket of its own, in a folder of its own, gone afterwards.

Nobody else reaches it: it listens on no port, its socket lies in a folder that only we can enter, and only its own
superuser may log in. It promises nothing about a power failure, which makes it fast: what it holds is in the bucket.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from procedures.backup.programs import Programs, failed
from procedures.backup.unprivileged import handed_over, unprivileged
from runbook.errors import ActionError, SettingsError
from runbook.settings import DatabaseSettings, Login
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.working import working
from runbook.text import size, text

#: Of its own name: whatever roles a backup brings, none of them is the one that restores.
SUPERUSER = "muses_runbook_proof"
#: A cluster that holds nothing, with the log of its changes.
EMPTY = 10**9
_PREFIX = "muses-proof-"
_PORT = 5432
#: The address of a socket is at most 107 bytes long, its own name included.
_LONGEST = 107 - len(f"/.s.PGSQL.{_PORT}")
_PATIENCE = 60.0
_STOPPING = 30.0

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
            host=str(self.sockets), port=_PORT, name=database, sslmode="disable", reader=login, operator=login
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
    with _own_folder(below) as folder:
        _initialise(programs, folder, locks)
        with _running(programs, folder):
            yield Cluster(folder, _sockets(folder), programs)


def folder_of(place: Path | None) -> Path:
    """Where throwaway clusters lie. Raises SettingsError where there can be none."""
    below = place or Path(tempfile.gettempdir())
    try:
        below.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        said = text("{folder} cannot be made: {reason}", folder=below, reason=error.strerror or "–")
        raise SettingsError(said, key="backup.proof") from error
    return below.absolute()


def check_room(below: Path, need: int) -> None:
    """Raise SettingsError unless so many bytes are free."""
    if (free := shutil.disk_usage(below).free) < need:
        said = text(
            "{folder} has {free} free, restoring needs {need}: set backup.proof to a folder with more room",
            folder=below,
            free=size(free),
            need=size(need),
        )
        raise SettingsError(said, key="backup.proof")


def sweep(below: Path) -> tuple[Path, ...]:
    """Remove the clusters whose makers are dead, with the servers that outlived them; gives their folders."""
    return tuple(folder for folder in sorted(below.glob(f"{_PREFIX}*")) if _swept(folder))


def _swept(folder: Path) -> bool:
    """The lock on the folder is gone with the process that made it, however that ended."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False  # another user's, or just going
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        _stop_stray(folder)
        _remove(folder)
        return True
    finally:
        os.close(handle)


@contextmanager
def _own_folder(below: Path) -> Iterator[Path]:
    """A new folder, locked as long as we live, gone afterwards."""
    folder, handle = _locked_folder(below)
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(handle)


def _locked_folder(below: Path) -> tuple[Path, int]:
    """Between making and locking it, another's sweep may take it for a stray one: then the next."""
    while True:
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=below))
        except OSError as error:
            said = text("Nothing can be written to {folder}: {reason}", folder=below, reason=error.strerror or "–")
            raise SettingsError(said, key="backup.proof") from error
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if folder.exists() and os.path.samestat(folder.stat(), os.fstat(handle)):
                return folder, handle
            os.close(handle)


def _initialise(programs: Programs, folder: Path, locks: int) -> None:
    data, sockets = folder / "data", _sockets(folder)
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
    (data / "postgresql.conf").write_text(_CONFIGURATION.format(port=_PORT, sockets=quoted, locks=locks))
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
    access, ends = Cluster(folder, _sockets(folder), programs).access(), time.monotonic() + _PATIENCE
    socket = _sockets(folder) / f".s.PGSQL.{_PORT}"
    while True:
        if server.poll() is not None:
            raise failed("postgres", server.returncode, (folder / "log").read_bytes())
        try:
            if socket.exists():
                with working(access, "restore-test"):
                    return
        except ActionError:
            if time.monotonic() > ends:
                raise
        time.sleep(0.05)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """At once, without writing anything: it is to be removed."""
    if server.poll() is None:
        server.send_signal(signal.SIGQUIT)
        try:
            server.wait(_STOPPING)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _stop_stray(folder: Path) -> None:
    """Stop the server of a dead maker; a number alone proves nothing, its command line must name the folder."""
    data = folder / "data"
    with suppress(OSError, ValueError, IndexError):
        number = int((data / "postmaster.pid").read_text().split()[0])
        ends = time.monotonic() + _STOPPING
        while os.fsencode(data) in Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0"):
            os.kill(number, signal.SIGQUIT if time.monotonic() < ends else signal.SIGKILL)
            time.sleep(0.05)


def _remove(folder: Path) -> None:
    sockets = _sockets(folder)
    for one in (folder, sockets):
        shutil.rmtree(one, ignore_errors=True)


def _sockets(folder: Path) -> Path:
    """Where the socket lies: in the folder itself, unless its address would be too long for one."""
    if len(os.fsencode(folder)) <= _LONGEST:
        return folder
    return Path(tempfile.gettempdir()) / f"{folder.name}.sockets"


def _environment() -> dict[str, str]:
    """Nothing that somebody set for PostgreSQL's programs reaches ours; their words are the ones that we know."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}
