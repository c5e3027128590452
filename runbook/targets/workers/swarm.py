"""The services of a Docker Swarm: a number of replicas that the managers keep.

A change names the version of the service that it is of; the manager refuses one of an older version.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from runbook.errors import ActionError, ProbeError, ProbeFailure
from runbook.settings import WorkersSettings
from runbook.targets.rights import Right
from runbook.targets.workers.engine import Engine, since
from runbook.targets.workers.replicas import Change, Replica, Service
from runbook.text import text

_GOING = frozenset({"shutdown", "remove", "complete"})
_AHEAD = frozenset(
    {"new", "allocated", "pending", "assigned", "accepted", "preparing", "ready", "starting"}  # in this order
)
_FELL = frozenset({"failed", "rejected"})
_ROLLING = frozenset({"updating", "rollback_started"})
_PAUSED = frozenset({"paused", "rollback_paused"})


class _Index(msgspec.Struct, frozen=True, rename="pascal"):
    index: int


class _Update(msgspec.Struct, frozen=True, rename="pascal"):
    state: str = ""
    message: str = ""


class _Service(msgspec.Struct, frozen=True, rename="pascal"):
    """A service as the API tells it; its spec stays as it is, for it is sent back whole."""

    id: str = msgspec.field(name="ID")
    version: _Index
    spec: dict[str, Any]
    update_status: _Update | None = None


class _Status(msgspec.Struct, frozen=True, rename="pascal"):
    state: str
    timestamp: datetime | None = None
    message: str = ""
    err: str = ""


class _Task(msgspec.Struct, frozen=True, rename="pascal"):
    id: str = msgspec.field(name="ID")
    service_id: str = msgspec.field(name="ServiceID")
    desired_state: str
    status: _Status
    slot: int = 0
    node_id: str = msgspec.field(name="NodeID", default="")
    created_at: datetime | None = None


def _seat(task: _Task) -> tuple[int, str]:
    """A slot, or the node where a service has one replica on each."""
    return task.slot, "" if task.slot else task.node_id


class Swarm:
    """The two services in a Swarm, asked of one of its managers."""

    def __init__(self, target: str, settings: WorkersSettings) -> None:
        self._target, self._engine, self._most = target, Engine(target, settings), settings.patience
        self._names = (settings.processing, settings.consolidation)

    def replicas(self) -> tuple[Replica, ...]:
        """The tasks that are to run, in order of service and slot. Reads only."""
        return tuple(replica for found in self._services() for replica in self._replicas(found))

    def services(self) -> tuple[Service, ...]:
        """The services by their spec. Reads only."""
        return tuple(self._service(found) for found in self._services())

    def start(self, name: str) -> None:
        raise NotImplementedError  # refused before: its replicas are not declared

    stop = start

    def scale(self, service: Service, to: int) -> Change:
        """Send the spec back with another number. Raises ActionError, refused, where the service changed meanwhile."""
        found = self._same("scale", service)
        mode = {**found.spec["Mode"], "Replicated": {**found.spec["Mode"]["Replicated"], "Replicas": to}}
        self._update("scale", found, {**found.spec, "Mode": mode})
        return Change()

    def replace(self, replica: Replica) -> None:
        raise NotImplementedError  # refused before: the service is whole

    def roll(self, service: Service) -> None:
        """Count ``ForceUpdate`` up: the managers replace the tasks. Refused where they would do several at a time."""
        found = self._same("roll", service)
        at_once = (found.spec.get("UpdateConfig") or {}).get("Parallelism", 1)
        if at_once != 1:
            said = text(
                "{service} would restart {count} replicas at a time (update_config parallelism; 0 is all): set it to 1",
                service=service.name,
                count=at_once,
            )
            raise ActionError(self._target, "roll", said, refused=True)
        task = found.spec.get("TaskTemplate") or {}
        forced = {**task, "ForceUpdate": task.get("ForceUpdate", 0) + 1}
        self._update("roll", found, {**found.spec, "TaskTemplate": forced})

    def patience(self, name: str) -> timedelta:
        """Swarm has no time of its own by which a service is up."""
        return self._most

    def rights(self) -> tuple[Right, ...]:
        """Whether we may call the daemon. Reads only."""
        return self._engine.rights()

    def _services(self) -> list[_Service]:
        """Docker's filter by name takes every name that begins so."""
        found, _ = self._engine.get("/services", tuple[_Service, ...], filters={"name": list(self._names)})
        known = {row.spec.get("Name"): row for row in found}
        there = [known[name] for name in self._names if name in known]
        if not there:
            said = text("the swarm has no service {names}", names=", ".join(self._names))
            raise ProbeError(self._target, ProbeFailure.ABSENT, said)
        return there

    def _service(self, found: _Service) -> Service:
        own = self._replicas(found)
        replicated = (found.spec.get("Mode") or {}).get("Replicated")
        update = found.update_status or _Update()
        return Service(
            name=found.spec["Name"],
            wanted=replicated.get("Replicas", 1) if replicated is not None else len(own),
            running=sum(replica.well for replica in own),
            owner="" if replicated is not None else "Swarm: " + ", ".join(found.spec.get("Mode") or {}),
            version=str(found.version.index),
            rolling=update.state in _ROLLING,
            whole=True,
            numbered=True,
            problem=update.message if update.state in _PAUSED else "",
        )

    def _replicas(self, found: _Service) -> tuple[Replica, ...]:
        tasks, now = self._engine.get("/tasks", tuple[_Task, ...], filters={"service": [found.id]})
        oldest = datetime.min.replace(tzinfo=UTC)
        ordered = sorted(tasks, key=lambda task: (*_seat(task), task.created_at or oldest))
        return tuple(_replicas(found.spec["Name"], ordered, now))

    def _same(self, step: str, service: Service) -> _Service:
        found = next((row for row in self._services() if row.spec["Name"] == service.name), None)
        if found is None or str(found.version.index) != service.version:
            raise self._changed(step, service.name)
        return found

    def _update(self, step: str, found: _Service, spec: dict[str, Any]) -> None:
        path = f"/services/{quote(found.id, safe='')}/update?version={found.version.index}"
        try:
            self._engine.post(path, spec)
        except ProbeError as error:
            # An older version is answered by a 500 like any failure; only the version tells them apart.
            now = next((row for row in self._services() if row.id == found.id), None)
            if error.code is not None and (now is None or now.version.index != found.version.index):
                raise self._changed(step, found.spec["Name"]) from error
            raise

    def _changed(self, step: str, name: str) -> ActionError:
        said = text("{service} was changed by somebody else at this moment: look again", service=name)
        return ActionError(self._target, step, said, refused=True)


def _replicas(service: str, tasks: list[_Task], now: datetime) -> Iterator[Replica]:
    """The tasks that are to run; those before them in the same slot tell how often it fell."""
    for task in tasks:
        if task.desired_state in _GOING:
            continue
        before = [t for t in tasks if _seat(t) == _seat(task) and t.id != task.id]
        fell = [t for t in before if t.status.state in _FELL]
        state = _state(task.status.state, fell=bool(fell))
        last = fell[-1].status if fell else task.status
        yield Replica(
            service=service,
            name=f"{service}.{task.slot or task.node_id}.{task.id}",
            running=state == "RUNNING",
            state=state,
            since=since(now, task.status.timestamp),
            declared=False,
            problem="" if state == "RUNNING" else (task.status.err or last.err or task.status.message),
            restarts=len(before),
            host=task.node_id,
            life=task.id,
            keeper="Docker Swarm",
        )


def _state(state: str, *, fell: bool) -> str:
    if state == "running":
        return "RUNNING"
    if state in _AHEAD:
        return "BACKOFF" if fell else "STARTING"
    return "BACKOFF" if state in _FELL else "UNKNOWN"
