"""One supervisor per lab keeps all its processes, servers and services alike, and brings back what dies.

Every process carries the lab's mark in its environment: where the supervisor itself was killed, its orphans are
still found and ended.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab import orphans
from lab.commands import CHECKOUT, Command, configuration
from lab.errors import LabError
from lab.orphans import MARK
from lab.place import Place

if TYPE_CHECKING:
    from xmlrpc.client import ServerProxy

POLL = 0.05  # seconds

_STARTED = ("STARTING", "BACKOFF", "RUNNING")
_KEPT = ("PATH", "TMPDIR", "COVERAGE_PROCESS_START")  # nothing else of the user's leaks in
_LIVES = 4  # pids of one process (0 among them, while it is down) after which it will not come up any more
_RPC_PATIENCE = 10.0  # seconds
_LOG_WIDTH = 300  # characters shown of a log line: JSON lines are long


@dataclass(frozen=True)
class Process:
    """What the supervisor says of one process. ``since`` is the Unix time of its last start; 0 before the first."""

    group: str
    name: str
    state: str
    pid: int
    since: int

    @property
    def label(self) -> str:
        """How the supervisor names it: ``group:name``."""
        return f"{self.group}:{self.name}"

    @property
    def running(self) -> bool:
        """Whether it has run for a second, which is when the supervisor believes it."""
        return self.state == "RUNNING"


def launch(place: Place, commands: tuple[Command, ...]) -> None:
    """Start the lab's supervisor, which starts nothing by itself. Returns when it listens."""
    path = place.home / "supervisor.conf"
    path.touch(mode=0o600)  # the storage server takes its root key from the environment
    path.write_text(configuration(place, commands))
    done = run(place, sys.executable, "-m", "supervisor.supervisord", "-c", str(path))
    if done.returncode:
        raise LabError(f"supervisor no arranca (viene con el extra «lab» de este paquete):\n{done.stdout}")


def run(place: Place, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the lab to its end, marked as the lab's own, in the lab's own environment."""
    return subprocess.run(
        argv,
        check=False,
        cwd=place.home,
        env=environment(place),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is for us, who end things in order
    )


def environment(place: Place) -> dict[str, str]:
    """What the lab's processes inherit: little of the user's, so that no PGHOST or AWS_… of theirs reaches in."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    path = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, "HOME": str(place.home), "LANG": "C.UTF-8", MARK: place.mark}


def responds(place: Place) -> bool:
    """Whether the lab's supervisor is there and answers."""
    try:
        with calling(place) as supervisor:
            state: Any = supervisor.supervisor.getState()
            return bool(state["statename"] == "RUNNING")
    except (OSError, LabError):
        return False


def processes(place: Place) -> tuple[Process, ...]:
    """All processes that the supervisor knows, in its order. Raises LabError where it does not answer."""
    try:
        with calling(place) as supervisor:
            found: Any = supervisor.supervisor.getAllProcessInfo()
    except OSError as error:
        raise LabError(f"el laboratorio de {place.home} no está en marcha; arránquelo con «lab up»") from error
    return tuple(Process(p["group"], p["name"], p["statename"], p["pid"], p["start"]) for p in found)


def start(place: Place, *names: str) -> None:
    """Ask for processes (``"group:name"``) to be started; those that run already stay as they are."""
    started = {p.label for p in processes(place) if p.state in _STARTED}
    with calling(place) as supervisor:
        for name in names:
            if name not in started:
                supervisor.supervisor.startProcess(name, False)


def is_started(place: Place, name: str) -> bool:
    """Whether a server runs or is being started."""
    return any(p.state in _STARTED for p in processes(place) if p.group == name)


def restart(place: Place, name: str) -> None:
    """End a process in order and start it again. Returns when it is being started."""
    with calling(place) as supervisor:
        supervisor.supervisor.stopProcess(name)
        supervisor.supervisor.startProcess(name, False)


def await_(place: Place, what: str, ready: Callable[[], bool], deadline: float, *groups: str) -> None:
    """Poll until ``ready``, at the latest until ``deadline`` (monotonic seconds).

    Raises LabError with the end of the log as soon as a process of ``groups`` is given up or starts over and over.
    """
    lives: dict[str, set[int]] = defaultdict(set)
    while not ready():
        for process in (p for p in processes(place) if p.group in groups):
            lives[process.label].add(process.pid)
            if process.state == "FATAL" or len(lives[process.label]) > _LIVES:
                raise LabError(f"{what} termina nada más arrancar\n{log_end(place, process.group)}")
        if time.monotonic() > deadline:
            raise LabError(f"{what} no responde a tiempo\n{log_end(place, groups[0])}")
        time.sleep(POLL)


def await_running(place: Place, names: list[str], deadline: float) -> None:
    """Wait until all of ``"group:name"`` run. Raises LabError with the end of the log of one that does not."""
    groups = {name.partition(":")[0] for name in names}

    def all_run() -> bool:
        return set(names) <= {p.label for p in processes(place) if p.running}

    await_(place, "un servicio", all_run, deadline, *groups)


def log_end(place: Place, group: str, lines: int = 15) -> str:
    """The last lines of the newest log of a server or service."""
    logs = sorted(place.logs.glob(f"{group}*"), key=lambda path: path.stat().st_mtime)
    if not logs:
        return f"(sin bitácora en {place.logs})"
    end = logs[-1].read_text(errors="replace").splitlines()[-lines:]
    return "\n".join([f"— {logs[-1]}:", *(line[:_LOG_WIDTH] for line in end)])


def stop(place: Place, patience: float = 15.0) -> None:
    """End every process of the lab, in order where the supervisor lives, by force where not; returns when all are gone.

    Raises LabError naming those that will not end.
    """
    with contextlib.suppress(OSError, LabError):
        _stop_in_order(place, time.monotonic() + patience)
    orphans.end(place)


@contextlib.contextmanager
def calling(place: Place) -> Iterator[ServerProxy]:
    """The supervisor's XML-RPC interface over its socket.

    Raises OSError where nobody listens or answers in time, LabError with the supervisor's own words.
    """
    from http.client import HTTPConnection, HTTPException
    from xml.parsers.expat import ExpatError
    from xmlrpc.client import Error, ServerProxy, Transport

    class Local(Transport):
        def make_connection(self, host: Any) -> HTTPConnection:
            self.close()  # one connection a call: one that is kept, and was lost, would be opened again by TCP
            connection = HTTPConnection("localhost")
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(_RPC_PATIENCE)
            self._connection = host, connection  # the base class closes it
            connection.sock.connect(str(place.supervisor_socket))
            return connection

    try:
        with ServerProxy("http://localhost", transport=Local()) as supervisor:
            yield supervisor
    except (Error, HTTPException, ExpatError) as error:  # the last two: it was killed in the middle of its answer
        raise LabError(f"supervisor: {error}") from error


def _stop_in_order(place: Place, deadline: float) -> None:
    """All at once, so that the slowest is waited for and not the sum; who still starts one meanwhile loses it too."""
    with calling(place) as supervisor:
        while any(p.pid for p in processes(place)) and time.monotonic() < deadline:
            supervisor.supervisor.stopAllProcesses(False)
            time.sleep(POLL)
        supervisor.supervisor.shutdown()
