"""What a process manager tells of replicas and services, in words that are the same for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec

from runbook.targets.rights import Right

#: States in which a replica is up or on its way up.
UP = frozenset({"RUNNING", "STARTING"})
#: States from which a replica does not come up by itself.
GIVEN_UP = frozenset({"FATAL", "EXITED", "STOPPED", "UNKNOWN"})
DOWN = frozenset({"STOPPED", "EXITED", "FATAL"})


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """One process, container or pod of a service. ``name`` is the process manager's, ``service:replica-01``.

    ``state`` is one of supervisor's words, whoever keeps it: RUNNING, STARTING, BACKOFF (it falls again and again),
    STOPPING, STOPPED, EXITED, FATAL, UNKNOWN; PAUSED is Docker's. ``healthy`` is what its own health check says, None
    where it has none. ``since`` is how long it has been in its state, by the process manager's clock; None for one
    that never ran. ``declared`` ones can be started and stopped by name; ``problem`` is what the process manager says
    of one that is not well. ``life`` is another one after each start; ``keeper`` is who keeps it.
    """

    service: str
    name: str
    running: bool
    state: str
    since: timedelta | None = None
    pid: int | None = None
    declared: bool = True
    problem: str = ""
    healthy: bool | None = None
    restarts: int | None = None
    host: str = ""
    life: str = ""
    keeper: str = "supervisor"

    @property
    def well(self) -> bool:
        """Whether it runs and no health check says otherwise."""
        return self.running and self.healthy is not False


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """How many replicas of a service there are to be, and who decides that.

    ``wanted`` is the number that the process manager is asked for (those that are up, where it keeps no number), and
    ``running`` those of them that are well. ``most`` is how many there can be (None: any number), ``more`` how a
    person gets more than that. ``owner`` is who alone may change the number, such as an autoscaler. ``unseen`` is what
    could not be looked at: then the number is not to be trusted. ``version`` is another one after each change of what
    is asked for; ``rolling``: replicas are being replaced. ``whole``: they can only be restarted all in their turn.
    """

    name: str
    wanted: int
    running: int
    most: int | None = None
    more: str = ""
    owner: str = ""
    unseen: tuple[str, ...] = ()
    version: str = ""
    rolling: bool = False
    whole: bool = False
    numbered: bool = False
    problem: str = ""


class Change(msgspec.Struct, frozen=True):
    """The replicas that were asked to start and to stop; none are named where only a number was asked for."""

    started: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()


class ProcessManager(Protocol):
    """What an adapter must do. All raise ProbeError; what changes returns at once and waits for nothing.

    Those that keep a number (``Service.numbered``: Swarm, Kubernetes) come up with replicas of their own; the others
    keep replicas whose names last.
    """

    def replicas(self) -> tuple[Replica, ...]:
        """Every replica, those declared and not running included, in order of service and number. Reads only."""

    def services(self) -> tuple[Service, ...]:
        """The number of every service. Reads only."""

    def start(self, name: str) -> None:
        """Ask for a replica to be started; does nothing to one that is up."""

    def stop(self, name: str) -> None:
        """Ask for a replica to be stopped; does nothing to one that is down."""

    def scale(self, service: Service, to: int) -> Change:
        """Ask for that many replicas. Raises ActionError, refused, where the number changed since it was read."""

    def replace(self, replica: Replica) -> None:
        """Ask for one replica of a numbered service to be replaced by a new one."""

    def roll(self, service: Service) -> None:
        """Ask for all replicas of a ``whole`` service to be replaced, one at a time."""

    def patience(self, name: str) -> timedelta:
        """How long a replica, or a service's replicas, may take to come up or go down."""

    def rights(self) -> tuple[Right, ...]:
        """What we may do there, and the command that mends what we may not."""


def counted(replicas: Sequence[Replica], unseen: Iterable[str] = (), more: str = "") -> tuple[Service, ...]:
    """The services of replicas whose names last: the number is that of those that are up."""
    names = dict.fromkeys(replica.service for replica in replicas)
    up = Counter(replica.service for replica in replicas if replica.state in UP)
    well = Counter(replica.service for replica in replicas if replica.well)
    there = Counter(replica.service for replica in replicas if replica.declared)
    return tuple(
        Service(name=n, wanted=up[n], running=well[n], most=there[n], unseen=tuple(unseen), more=more) for n in names
    )


def chosen(replicas: Sequence[Replica], to: int) -> Change:
    """Which to start and to stop so that ``to`` are up, spread evenly over the hosts.

    The lowest number on the host with the fewest starts first; the highest on the host with the most stops first.
    """
    hosts = list(dict.fromkeys(replica.host for replica in replicas))
    up = {host: [r.name for r in replicas if r.host == host and r.state in UP] for host in hosts}
    idle = {host: [r.name for r in replicas if r.host == host and r.state not in UP and r.declared] for host in hosts}
    started, stopped = [], []
    while sum(map(len, up.values())) < to and any(idle.values()):
        host = min((h for h in hosts if idle[h]), key=lambda h: len(up[h]))
        started.append(idle[host].pop(0))
        up[host].append(started[-1])
    while sum(map(len, up.values())) > to:
        host = max(reversed(hosts), key=lambda h: len(up[h]))
        stopped.append(up[host].pop())
    return Change(tuple(started), tuple(stopped))


class Named:
    """What all process managers have in common that keep replicas by name, and no number."""

    def replicas(self) -> tuple[Replica, ...]:
        raise NotImplementedError

    def start(self, name: str) -> None:
        raise NotImplementedError

    def stop(self, name: str) -> None:
        raise NotImplementedError

    def services(self) -> tuple[Service, ...]:
        """The services by the replicas that are up. Reads only."""
        return counted(self.replicas())

    def scale(self, service: Service, to: int) -> Change:
        """Start or stop as many replicas as that takes, and say which."""
        own = [replica for replica in self.replicas() if replica.service == service.name]
        change = chosen(own, to)
        for name in change.started:
            self.start(name)
        for name in change.stopped:
            self.stop(name)
        return change

    def replace(self, replica: Replica) -> None:
        raise NotImplementedError  # replicas with names are stopped and started

    def roll(self, service: Service) -> None:
        raise NotImplementedError  # replicas with names are restarted by name
