"""The services' replicas and the process manager that keeps them: which run, and starting, stopping, scaling them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, ClassVar, Protocol

import msgspec

from runbook.errors import ActionError, NotConfigured
from runbook.model import Effect
from runbook.probes import probe
from runbook.settings import WorkersSettings
from runbook.targets.base import Target, operation
from runbook.targets.rights import Right
from runbook.text import text

#: States in which a replica is up or on its way up.
UP = frozenset({"RUNNING", "STARTING"})
#: States from which a replica does not come up by itself.
GIVEN_UP = frozenset({"FATAL", "EXITED", "STOPPED", "UNKNOWN"})
DOWN = frozenset({"STOPPED", "EXITED", "FATAL"})
#: Seconds between two looks at a replica that is to change its state, and on top of what its settings allow.
POLL = 0.1
GRACE = timedelta(seconds=10)


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a service. ``name`` is the process manager's, ``service:replica-01``.

    ``since`` is how long it has been in its state, by the process manager's clock; None for one that never ran.
    ``declared`` ones can be started; ``problem`` is what the process manager says of one that does not come up.
    """

    service: str
    name: str
    running: bool
    state: str
    since: timedelta | None = None
    pid: int | None = None
    declared: bool = True
    problem: str = ""


class ProcessManager(Protocol):
    """What an adapter (supervisor; systemd, docker, kubernetes to come) must do. All raise ProbeError."""

    def replicas(self) -> tuple[Replica, ...]:
        """Every replica, those declared and not running included, in order of service and number. Reads only."""

    def start(self, name: str) -> None:
        """Ask for a replica to be started; returns at once, and does nothing to one that is up."""

    def stop(self, name: str) -> None:
        """Ask for a replica to be stopped; returns at once, and does nothing to one that is down."""

    def patience(self, name: str) -> timedelta:
        """How long the replica may take to come up or go down."""

    def rights(self) -> tuple[Right, ...]:
        """What we may do there, and the command that mends what we may not."""


class Workers(Target):
    """The worker services of one environment.

    A process manager has no identity that only reads: probes here call what reads, operations what changes. Each
    operation compares the fingerprint (``state``, ``pid`` of a replica, ``running`` of a service) before it changes
    anything and waits until the change is true.
    """

    kind: ClassVar[str] = "workers"

    def __init__(self, name: str, settings: WorkersSettings | None, *, environment: str) -> None:
        super().__init__(name)
        self._given, self._setting = settings, f"environments.{environment}.workers"

    @property
    def processing(self) -> str:
        """The service that consumes the queue."""
        return self._settings.processing

    @property
    def consolidation(self) -> str:
        """The service that moves records to the core tables."""
        return self._settings.consolidation

    @property
    def queue(self) -> str:
        """The queue that :attr:`processing` consumes."""
        return self._settings.queue

    @property
    def max_replicas(self) -> int:
        """How many replicas of a service we may run at most."""
        return self._settings.max_replicas

    @property
    def connections_per_replica(self) -> int:
        """How many database connections one replica holds."""
        return self._settings.connections_per_replica

    @probe(needs="access to the process manager's socket")
    def replicas(self) -> tuple[Replica, ...]:
        """Every replica of every service, running or not, in order of service and number. Reads only."""
        return self._manager.replicas()

    @probe()
    def rights(self) -> tuple[Right, ...]:
        """What we may do at the process manager. Reads only."""
        return self._manager.rights()

    @operation(Effect.CHANGE)
    def start(self, *, name: str, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """Start one replica; returns when it runs. Raises ActionError when it does not stay up."""
        before = self._unchanged("start", name, fingerprint)
        self._manager.start(name)
        return _seen(self._came_up("start", name), before)

    @operation(Effect.CHANGE)
    def stop(self, *, name: str, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """Stop one replica; returns when it is down. What it had taken goes back to the queue."""
        before = self._unchanged("stop", name, fingerprint)
        self._manager.stop(name)
        return _seen(self._went_down("stop", name), before)

    @operation(Effect.CHANGE)
    def restart(self, *, name: str, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """Stop one replica and start it again; returns when the new process runs."""
        before = self._unchanged("restart", name, fingerprint)
        self._manager.stop(name)
        self._went_down("restart", name)
        self._manager.start(name)
        return _seen(self._came_up("restart", name), before)

    @operation(Effect.CHANGE)
    def scale(self, *, service: str, to: int, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """Have ``to`` replicas of a service run: the lowest numbers are started first, the highest stopped first.

        ``fingerprint`` is ``{"running": n}``. Refuses what is no sensible number, more than may run, and more than
        are declared.
        """
        replicas = self._of(service)
        up = [replica.name for replica in replicas if replica.state in UP]
        self._same("scale", {"running": len(up)}, fingerprint)
        self._sensible(service, to, declared=len(replicas))
        idle = [replica.name for replica in replicas if replica.state not in UP]
        started, stopped = idle[: max(0, to - len(up))], up[to:]
        self._change(started, stopped)
        running = sum(replica.running for replica in self._of(service))
        return {"running": running, "running_before": len(up), "started": started, "stopped": stopped}

    def _change(self, started: list[str], stopped: list[str]) -> None:
        """All are asked at once, then all are waited for: the slowest, not the sum."""
        for name in started:
            self._manager.start(name)
        for name in stopped:
            self._manager.stop(name)
        for name in started:
            self._came_up("scale", name)
        for name in stopped:
            self._went_down("scale", name)

    def _sensible(self, service: str, to: int, *, declared: int) -> None:
        most = min(self.max_replicas, declared)
        if 0 < to <= most:
            return
        said = text(
            "{service} may have 1 to {most} replicas ({declared} declared, max_replicas {allowed}), not {to}",
            service=service,
            most=most,
            declared=declared,
            allowed=self.max_replicas,
            to=to,
        )
        raise ActionError(self.name, "scale", said, refused=True)

    def _of(self, service: str) -> list[Replica]:
        found = [replica for replica in self._manager.replicas() if replica.service == service]
        if not found:
            said = text("there is no service {service} at the process manager", service=service)
            raise ActionError(self.name, "scale", said, refused=True)
        return found

    def _unchanged(self, step: str, name: str, fingerprint: dict[str, Any]) -> Replica:
        """The replica as it is now. Raises ActionError, refused, when it is not what the plan knew."""
        replica = self._named(name)
        if replica is None:
            said = text("there is no replica {name} at the process manager", name=name)
            raise ActionError(self.name, step, said, refused=True)
        self._same(step, {"state": replica.state, "pid": replica.pid}, fingerprint)
        return replica

    def _same(self, step: str, now: dict[str, Any], fingerprint: dict[str, Any]) -> None:
        """An empty fingerprint (an undo, planned before its target existed) agrees with anything."""
        for key, planned in fingerprint.items():
            if key not in now or now[key] != planned:
                said = text(
                    "{key} was {planned} when the plan was made and is {now} now",
                    key=key,
                    planned=planned,
                    now=now.get(key),
                )
                raise ActionError(self.name, step, said, refused=True)

    def _came_up(self, step: str, name: str) -> Replica:
        return self._await(step, name, lambda replica: replica.running, hopeless=GIVEN_UP)

    def _went_down(self, step: str, name: str) -> Replica:
        return self._await(step, name, lambda replica: replica.state in DOWN, hopeless=())

    def _await(self, step: str, name: str, done: Callable[[Replica], bool], hopeless: Collection[str]) -> Replica:
        ends = time.monotonic() + (self._manager.patience(name) + GRACE).total_seconds()
        while True:
            replica = self._named(name)
            if replica is not None and done(replica):
                return replica
            state = "absent" if replica is None else replica.state
            if state in hopeless or time.monotonic() > ends:
                problem = replica.problem if replica else ""
                said = text("{name} is {state}: {problem}", name=name, state=state, problem=problem)
                raise ActionError(self.name, step, said)
            time.sleep(POLL)

    def _named(self, name: str) -> Replica | None:
        return next((replica for replica in self._manager.replicas() if replica.name == name), None)

    @property
    def _manager(self) -> ProcessManager:
        from runbook.targets.workers.supervisor import Supervisor

        return Supervisor(self.name, self._settings.url)

    @property
    def _settings(self) -> WorkersSettings:
        if self._given is None:
            raise NotConfigured(self.name, self._setting)
        return self._given


def _seen(after: Replica, before: Replica) -> dict[str, Any]:
    return {"state": after.state, "pid": after.pid, "state_before": before.state, "pid_before": before.pid}
