"""The services' replicas and the process manager that keeps them: which run, and starting, stopping, scaling them."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any, ClassVar

from runbook.errors import ActionError, NotConfigured
from runbook.model import Effect, Step
from runbook.probes import probe
from runbook.settings import HostsSettings, WorkersSettings
from runbook.targets.base import Target, operation
from runbook.targets.rights import Right
from runbook.targets.workers import traces
from runbook.targets.workers.managers import open_manager
from runbook.targets.workers.refusals import Refusals
from runbook.targets.workers.replicas import UP, ProcessManager, Replica, Service
from runbook.targets.workers.waiting import Waiting, named
from runbook.text import text
from runbook.traces import Trace

__all__ = ["Replica", "Service", "Workers"]

_CHANGE = "access to the process manager, change at the process manager"
#: How long restarting many replicas in turn may take; it can be left behind, and ends between two of them.
LONG = timedelta(hours=1)


class Workers(Target):
    """The worker services of one environment.

    Most process managers have no identity that only reads: probes here call what reads, operations what changes. Each
    operation compares the fingerprint (``state``, ``pid``, ``life`` of a replica; ``running``, ``version`` of a
    service) before it changes anything and waits until the change is true.
    """

    kind: ClassVar[str] = "workers"

    def __init__(
        self, name: str, settings: WorkersSettings | None, *, environment: str, hosts: HostsSettings | None = None
    ) -> None:
        super().__init__(name)
        self._given, self._setting, self._hosts = settings, f"environments.{environment}.workers", hosts
        self._opened: ProcessManager | None = None
        self._stop = threading.Event()

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

    @property
    def max_connections(self) -> int | None:
        """How many database connections the replicas of a service may hold together; None where the site says none."""
        return self._settings.max_connections

    @probe(needs="access to the process manager")
    def replicas(self) -> tuple[Replica, ...]:
        """Every replica of every service, running or not, in order of service and number. Reads only."""
        return self._manager.replicas()

    @probe(needs="access to the process manager")
    def services(self) -> tuple[Service, ...]:
        """How many replicas every service is to have, and who decides it. Reads only."""
        return self._manager.services()

    @probe()
    def rights(self) -> tuple[Right, ...]:
        """What we may do at the process manager. Reads only."""
        return self._manager.rights()

    def trace_of(self, step: Step, since: datetime) -> Trace:
        """How far a step of a killed run got. Reads only."""
        return traces.trace_of(self._manager, step)

    @operation(Effect.CHANGE, needs=_CHANGE)
    def start(self, *, name: str, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """Start one replica; returns when it runs. Raises ActionError when it does not stay up, or may not be."""
        before = self._unchanged("start", name, fingerprint)
        if before.state not in UP:
            service = self._service("start", before.service)
            self._refusals.too_many("start", service, service.wanted + 1)
        self._manager.start(name)
        return _seen(self._waiting.came_up("start", name), before)

    @operation(Effect.CHANGE, needs=_CHANGE)
    def stop(self, *, name: str, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """Stop one replica; returns when it is down. What it had taken goes back to the queue."""
        before = self._unchanged("stop", name, fingerprint)
        self._manager.stop(name)
        return _seen(self._waiting.went_down("stop", name), before)

    @operation(Effect.CHANGE, needs=_CHANGE)
    def restart(self, *, name: str, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """Put a new process in one replica's place; returns when it runs and is well."""
        before = self._unchanged("restart", name, fingerprint, one_by_one=False)
        service = self._service("restart", before.service)
        self._refusals.not_alone("restart", service)
        return self._renewed("restart", before, service)

    @operation(Effect.CHANGE, needs=_CHANGE, deadline=LONG)
    def roll(self, *, service: str, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """Restart all running replicas of a service, one at a time: the next one once the last is well.

        The first that does not come up again ends it, and the others stay as they are. ``fingerprint`` is as for scale.
        """
        known = self._service("roll", service)
        self._refusals.changed("roll", _asked_for(known), fingerprint)
        running = [r for r in self._manager.replicas() if r.service == service and r.running]
        if known.whole:
            self._manager.roll(known)
            self._waiting.has("roll", service, known.wanted, without={replica.life for replica in running})
        else:
            self._in_turn(running, known)
        return {"restarted": [replica.name for replica in running]}

    def interrupt(self) -> None:
        """The replica that is being restarted comes up again; the next one is not begun."""
        self._stop.set()

    @operation(Effect.CHANGE, needs=_CHANGE, chosen=frozenset({"to"}))
    def scale(self, *, service: str, to: int, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """Have ``to`` replicas of a service run: the lowest numbers are started first, the highest stopped first.

        ``fingerprint`` is ``{"running": n}``, and ``version`` where the process manager has one. Refuses what is no
        sensible number, more than may run, more than there can be, and a number that an autoscaler owns.
        """
        known = self._service("scale", service)
        self._refusals.changed("scale", _asked_for(known), fingerprint)
        self._refusals.not_ours("scale", known)
        self._refusals.too_many("scale", known, to)
        change = self._manager.scale(known, to)
        for name in change.started:
            self._waiting.came_up("scale", name)
        for name in change.stopped:
            self._waiting.went_down("scale", name)
        if known.numbered:
            self._waiting.has("scale", service, to)
        return {
            "running": self._service("scale", service).running,
            "running_before": known.wanted,
            "started": list(change.started),
            "stopped": list(change.stopped),
        }

    def _in_turn(self, running: list[Replica], service: Service) -> None:
        self._stop.clear()
        for done, replica in enumerate(running):
            if self._stop.is_set():
                said = text("interrupted: {done} of {all} are restarted", done=done, all=len(running))
                raise ActionError(self.name, "roll", said)
            self._renewed("roll", replica, service)

    def _renewed(self, step: str, before: Replica, service: Service) -> dict[str, Any]:
        if service.numbered:
            self._manager.replace(before)
            after = self._waiting.has(step, service.name, service.wanted, without={before.life})
            return {"replaced": before.name, "running": after.running}
        self._manager.stop(before.name)
        self._waiting.went_down(step, before.name)
        self._manager.start(before.name)
        return _seen(self._waiting.came_up(step, before.name), before)

    def _service(self, step: str, name: str) -> Service:
        found = next((service for service in self._manager.services() if service.name == name), None)
        return found or self._refusals.no_service(step, name)

    def _unchanged(self, step: str, name: str, fingerprint: dict[str, Any], *, one_by_one: bool = True) -> Replica:
        """The replica as it is now. Raises ActionError, refused, when it is not what the plan knew."""
        replica = named(self._manager, name) or self._refusals.no_replica(step, name)
        now = {"state": replica.state, "pid": replica.pid, "life": replica.life}
        self._refusals.changed(step, now, fingerprint)
        if one_by_one:
            self._refusals.not_by_name(step, replica)
        return replica

    @property
    def _refusals(self) -> Refusals:
        return Refusals(self.name, self._settings)

    @property
    def _waiting(self) -> Waiting:
        return Waiting(self.name, self._manager, self._settings.patience)

    @property
    def _manager(self) -> ProcessManager:
        if self._opened is None:
            self._opened = open_manager(self.name, self._settings, self._hosts)
        return self._opened

    @property
    def _settings(self) -> WorkersSettings:
        if self._given is None:
            raise NotConfigured(self.name, self._setting)
        return self._given


def _asked_for(service: Service) -> dict[str, Any]:
    return {"running": service.wanted, "version": service.version}


def _seen(after: Replica, before: Replica) -> dict[str, Any]:
    return {"state": after.state, "pid": after.pid, "state_before": before.state, "pid_before": before.pid}
