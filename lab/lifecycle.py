"""A lab comes up, goes down and says how it is; each can be repeated, whatever was killed in between."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lab import installed, site, supervision
from lab.commands import Command
from lab.errors import LabError
from lab.place import SCHEMA, Place
from lab.servers import SERVERS, Server, postgres, storage
from lab.supervision import Process

T = TypeVar("T")
#: Told of each step that is done and of its seconds.
Say = Callable[[str, float], None]

_PATIENCE = 60.0  # seconds for a server to be ready; a machine may be slow, only a fault takes longer


@dataclass(frozen=True)
class Status:
    """How a lab is. ``unclear`` holds the breakages of which nobody can tell, with the reason."""

    place: Place
    servers: tuple[Process, ...]
    services: tuple[Process, ...]
    broken: tuple[str, ...]
    unclear: dict[str, str]

    @property
    def running(self) -> bool:
        return bool(self.servers) and all(server.running for server in self.servers)


def up(home: Path, *, schema: str | None = None, postgres: Path | None = None, say: Say = lambda *_: None) -> Place:
    """Bring up the lab in ``home``, founded there if need be; one that is up stays so.

    Returns when all servers are ready and all services run. If that fails or is interrupted nothing is left running.
    Raises LabError with the end of the failing server's log.
    """
    with _alone(home):
        place = _founded(home, schema, postgres)
        _install_storage(say)
        try:
            return _bring_up(place, say)
        except BaseException:  # Ctrl-C too: a lab is up, or there is nothing of it
            supervision.stop(Place.load(home))  # its ports and sockets may be others by now
            raise


def down(home: Path) -> None:
    """End all processes of the lab in ``home``; its data stay. Nothing to do where none runs.

    Raises LabError where there is no lab or a process will not end.
    """
    place = Place.load(home)
    with _alone(home):
        supervision.stop(place)
        shutil.rmtree(place.sockets, ignore_errors=True)


def status(home: Path) -> Status:
    """How the lab in ``home`` is; reads only. Raises LabError where there is none."""
    place = Place.load(home)
    if not supervision.responds(place):
        return Status(place, (), (), (), {})
    names = {server.NAME for server in SERVERS}
    found = supervision.processes(place)
    servers = tuple(process for process in found if process.group in names)
    services = tuple(process for process in found if process.group not in names)
    broken, unclear = _broken(place)
    return Status(place, servers, services, broken, unclear)


def _founded(home: Path, schema: str | None, programs: Path | None) -> Place:
    if not (home / "place.json").exists():
        return Place.new(
            home, schema=schema or SCHEMA, postgres=programs and installed.with_postgres(programs.absolute())
        )
    place = Place.load(home)
    for wanted, kept, what in (
        (schema, place.schema, "el esquema"),
        (programs and programs.absolute(), place.postgres, "PostgreSQL de"),
    ):
        if wanted and wanted != kept:
            raise LabError(f"el laboratorio de {home} usa {what} {kept}; use otra carpeta o borre esa")
    return place


def _install_storage(say: Say) -> None:
    if not storage.installed():
        say(f"Instalando el servidor de almacenamiento en {storage.folder()} (una sola vez) …", 0)
        with _timed(say, "Servidor de almacenamiento instalado"):
            storage.install()


def _bring_up(place: Place, say: Say) -> Place:
    fresh = not _stands(place)
    if fresh:
        with _timed(say, "supervisor"):
            supervision.stop(place)  # what a killed supervisor, or an up that was killed halfway, left behind
            place = place.refreshed()
            supervision.launch(place, _commands(place))
    site.write(place)
    _serve_all(place, say)
    with _timed(say, "Servicios"):
        _start_services(place)
        if fresh:
            _await_consumers(place)
    return place


def _stands(place: Place) -> bool:
    """Whether the lab is up or on its way: an up that was killed early left initdb writing, and that must end first."""
    return supervision.responds(place) and postgres.is_made(place)


def _serve_all(place: Place, say: Say) -> None:
    """Start all servers at once, and raise the first error; leaving waits for what the others are doing."""
    with ThreadPoolExecutor(len(SERVERS)) as pool:
        try:
            for served in as_completed([pool.submit(_serve, place, server, say) for server in SERVERS]):
                served.result()
        except BaseException:
            supervision.stop(place)  # what the others wait for is gone, and so they end
            raise


def _serve(place: Place, server: Server, say: Say) -> None:
    with _timed(say, server.TITLE):
        if not supervision.is_started(place, server.NAME):
            server.prepare(place)
            supervision.start(place, f"{server.NAME}:{server.NAME}")
        server.await_ready(place, time.monotonic() + _PATIENCE)
        server.furnish(place)


def _start_services(place: Place) -> None:
    """Start the replicas that a healthy lab has; the first time, take the backup meanwhile."""
    from lab.services import PROGRAMS

    wanted = [f"{p.name}:replica-{number:02d}" for p in PROGRAMS for number in range(1, p.started + 1)]
    founded = place.home / "founded"
    if not founded.exists():
        postgres.forget_statements(place)
    supervision.start(place, *wanted)
    if not founded.exists():
        _back_up(place)
        founded.touch()
    supervision.await_running(place, wanted, time.monotonic() + _PATIENCE)


def _await_consumers(place: Place) -> None:
    """A replica runs before it consumes; until it does, the lab looks as if it were stuck."""
    from lab.incidents.queue import consumers
    from lab.services import PROCESSING, PROGRAMS

    wanted = next(program.started for program in PROGRAMS if program.name == PROCESSING)
    deadline = time.monotonic() + _PATIENCE
    supervision.await_(place, PROCESSING, lambda: consumers(place) >= wanted, deadline, PROCESSING)


def _back_up(place: Place) -> None:
    from lab.incidents import fresh_backup

    fresh_backup(place)


def _commands(place: Place) -> tuple[Command, ...]:
    from lab.services import PROGRAMS

    services = (
        Command(
            name=program.name,
            argv=(sys.executable, "-m", program.module, "--home", str(place.home), "--replica", "%(replica)s"),
            environment={"PYTHONUNBUFFERED": "1"},
            replicas=program.replicas,
        )
        for program in PROGRAMS
    )
    return (*(server.program(place) for server in SERVERS), *services)


def _broken(place: Place) -> tuple[tuple[str, ...], dict[str, str]]:
    from lab.incidents import BREAKAGES

    broken, unclear = [], {}
    for name, breakage in BREAKAGES.items():
        try:
            if breakage.is_broken(place):
                broken.append(name)
        except LabError as error:
            unclear[name] = str(error)
    return tuple(broken), unclear


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What ``work`` returns, and its seconds."""
    started = time.monotonic()
    return work(), time.monotonic() - started


@contextlib.contextmanager
def _timed(say: Say, what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    say(what, time.monotonic() - started)


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One process at a time brings a lab up or down; the lock ends with the process that holds it."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
