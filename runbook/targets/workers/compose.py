"""The containers of a Compose project, found by the labels that Compose gives them.

Compose is no server: nobody can be asked for one replica more. Containers that are there are started and stopped;
new ones only Compose makes, from its file.
"""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import WorkersSettings
from runbook.targets.rights import Right
from runbook.targets.workers.engine import Engine, since
from runbook.targets.workers.replicas import Named, Replica, Service, counted
from runbook.text import text

if TYPE_CHECKING:
    from runbook.settings.workers import DockerSettings

_LABEL = "com.docker.compose."
#: How a container ends that was told to end; 137 is a kill, which is nobody's wish where memory ran out.
_TOLD_TO = frozenset({0, 137, 143})
#: Docker's own time for a container to end before it is killed.
_STOP = 10
_NANO = 1_000_000_000


class _Listed(msgspec.Struct, frozen=True, rename="pascal"):
    id: str
    labels: dict[str, str] = {}


class _Health(msgspec.Struct, frozen=True, rename="pascal"):
    status: str = "none"


class _State(msgspec.Struct, frozen=True, rename="pascal"):
    status: str
    pid: int = 0
    exit_code: int = 0
    oom_killed: bool = msgspec.field(name="OOMKilled", default=False)
    error: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    health: _Health | None = None


class _Check(msgspec.Struct, frozen=True, rename="pascal"):
    interval: int = 0
    retries: int = 0
    start_period: int = 0


class _Config(msgspec.Struct, frozen=True, rename="pascal"):
    labels: dict[str, str] = {}
    stop_timeout: int | None = None
    healthcheck: _Check | None = None


class _Container(msgspec.Struct, frozen=True, rename="pascal"):
    id: str
    name: str
    state: _State
    config: _Config
    restart_count: int = 0


class Compose(Named):
    """The containers of one project's two services."""

    def __init__(self, target: str, settings: WorkersSettings) -> None:
        docker: DockerSettings = settings.docker  # type: ignore[assignment]
        self._target, self._engine, self._project = target, Engine(target, settings), docker.project
        self._names = (settings.processing, settings.consolidation)

    def replicas(self) -> tuple[Replica, ...]:
        """Every container of the services, running or not; those of ``compose run`` are none. Reads only."""
        found = self._containers()
        return tuple(_replica(container, now) for container, now in found)

    def services(self) -> tuple[Service, ...]:
        """The services by the containers that are up. Reads only."""
        how = f"docker compose -p {shlex.quote(self._project)} up -d --no-recreate --scale SERVICE=N"
        return counted(self.replicas(), more=how)

    def start(self, name: str) -> None:
        """Start a container that is there; one that runs stays as it is (HTTP 304)."""
        self._engine.post(f"/containers/{quote(name, safe='')}/start")

    def stop(self, name: str) -> None:
        """Stop a container; Docker answers once it is down, and kills it when its time is over."""
        wait = self._ends_in(self._found(name)[0])
        self._engine.post(f"/containers/{quote(name, safe='')}/stop", patience=wait + 10)

    def patience(self, name: str) -> timedelta:
        """The longer of the times it has to end and to become healthy."""
        container, _ = self._found(name)
        check = container.config.healthcheck or _Check()
        healthy = (check.start_period + max(check.retries, 1) * check.interval) / _NANO
        return timedelta(seconds=max(self._ends_in(container), healthy))

    def rights(self) -> tuple[Right, ...]:
        """Whether we may call the daemon. Reads only."""
        return self._engine.rights()

    def _ends_in(self, container: _Container) -> int:
        given = container.config.stop_timeout
        return _STOP if given is None or given < 0 else given

    def _containers(self) -> list[tuple[_Container, datetime]]:
        wanted = [f"{_LABEL}project={self._project}"]
        listed, _ = self._engine.get("/containers/json", tuple[_Listed, ...], all="true", filters={"label": wanted})
        own = [row for row in listed if _service(row.labels) in self._names and not _once(row.labels)]
        if not own:
            said = text(
                "project {project} has no container of {names}", project=self._project, names=", ".join(self._names)
            )
            raise ProbeError(self._target, ProbeFailure.ABSENT, said)
        own.sort(key=lambda row: (self._names.index(_service(row.labels)), _number(row.labels), row.id))
        return [self._found(row.id) for row in own]

    def _found(self, id: str) -> tuple[_Container, datetime]:
        return self._engine.get(f"/containers/{quote(id, safe='')}/json", _Container)


def _service(labels: dict[str, str]) -> str:
    return labels.get(f"{_LABEL}service", "")


def _once(labels: dict[str, str]) -> bool:
    return labels.get(f"{_LABEL}oneoff", "").lower() == "true"


def _number(labels: dict[str, str]) -> int:
    number = labels.get(f"{_LABEL}container-number", "")
    return int(number) if number.isdecimal() else 0


def _replica(container: _Container, now: datetime) -> Replica:
    state, told = container.state, _state(container.state)
    up = state.status in ("running", "restarting", "paused")
    checked = state.health is not None and state.health.status in ("healthy", "unhealthy", "starting")
    return Replica(
        service=_service(container.config.labels),
        name=container.name.removeprefix("/"),
        running=told == "RUNNING",
        state=told,
        since=since(now, state.started_at if up else state.finished_at),
        pid=state.pid or None,
        problem=_problem(state, told),
        healthy=state.health.status == "healthy" if state.health is not None and checked else None,
        restarts=container.restart_count,
        life=f"{container.id[:12]}@{state.started_at:%Y-%m-%dT%H:%M:%S.%f}" if state.started_at else container.id[:12],
        keeper="Docker Compose",
    )


def _state(state: _State) -> str:
    match state.status:
        case "running" if state.health is not None and state.health.status == "starting":
            return "STARTING"
        case "running":
            return "RUNNING"
        case "restarting":
            return "BACKOFF"
        case "paused":
            return "PAUSED"
        case "removing":
            return "STOPPING"
        case "created":
            return "STOPPED"
        case "exited" if state.exit_code in _TOLD_TO and not state.oom_killed and not state.error:
            return "STOPPED"
        case "exited":
            return "EXITED"
        case "dead":
            return "FATAL"
    return "UNKNOWN"


def _problem(state: _State, told: str) -> str:
    if told in ("RUNNING", "STARTING", "STOPPED", "STOPPING"):
        return "unhealthy" if state.health is not None and state.health.status == "unhealthy" else ""
    if state.oom_killed:
        return f"killed for lack of memory (exit code {state.exit_code})"
    return state.error or f"exit code {state.exit_code}"
