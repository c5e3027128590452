"""How many consumers the arrivals need, and how many there may be. Pure.

A replica's capacity is what it finishes while messages wait: then it is never idle. Without a queue in front of it,
it cannot be known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from checks._found import confirmed, fact, ruled_out, unknown
from runbook.model import Evidence, Finding
from runbook.text import Quantity, Text, per_second, text

if TYPE_CHECKING:
    from runbook.targets.postgres.structs import Connections
    from runbook.targets.rabbitmq.broker import Queue
    from runbook.targets.workers.workers import Service

#: Capacity beyond the arrivals, so that a backlog shrinks and a burst does not bring it back.
HEADROOM = 1.2
SOURCE = "RabbitMQ management API"


@dataclass(frozen=True)
class Need:
    """Messages a second that arrive and that one busy replica finishes, and the replicas that this takes."""

    arrival: float
    per_replica: float
    replicas: int

    def drains(self, messages: int, replicas: int) -> timedelta | None:
        """How long that many replicas take to empty the queue; None where they never do."""
        surplus = replicas * self.per_replica - self.arrival
        return timedelta(seconds=messages / surplus) if surplus > 0 else None


@dataclass(frozen=True)
class Ceiling:
    """What bounds the replicas: how many there may be, the connections that are free (None: not known), each's cost."""

    replicas: int
    connections: int | None
    each: int = 1

    def allows(self, running: int, wanted: int) -> int:
        """How many replicas there may be; what is not known allows no more than there are."""
        return min(wanted, max(self.replicas, running), running + self.room)

    @property
    def room(self) -> int:
        """For how many more replicas the connections suffice; none where they are not known."""
        if self.connections is None:
            return 0
        return max(0, self.connections) // self.each if self.each else self.replicas


def need(queue: Queue, running: int) -> Need | None:
    """What the arrivals need. None where the rates are unknown or nothing is finished."""
    if queue.arrival_rate is None or not queue.acknowledge_rate or not running:
        return None
    per_replica = queue.acknowledge_rate / running
    wanted = math.ceil(round(queue.arrival_rate / per_replica * HEADROOM, 6))
    return Need(queue.arrival_rate, per_replica, wanted)


def free(connections: Connections, service: str) -> int:
    """How many connections the tightest limit of the service's role, the database and the server leaves."""
    spare = [connections.max_connections - connections.reserved - connections.used]
    if connections.database_limit is not None and connections.database_limit >= 0:
        spare.append(connections.database_limit - connections.database_used)
    for role in connections.roles:
        serves = any(application.startswith(service) for application in role.by_application)
        if serves and role.limit is not None and role.limit >= 0:
            spare.append(role.limit - role.used)
    return max(0, min(spare))


def too_few(service: Service, running: int, queue: Queue, ceiling: Ceiling, *, refused: bool, locked: int) -> Finding:
    """Whether all replicas work and are still fewer than the arrivals need, and how many that would be."""
    seen = _seen(queue)
    if reason := _another_cause(service.name, running, queue, refused=refused, locked=locked):
        return ruled_out(reason, seen)
    if service.unseen:
        return unknown(_unseen(service), seen)
    needed = need(queue, running)
    if needed is None:
        return unknown(text("How many consumers are needed cannot be measured: the rates are not known"), seen)
    numbers = _numbers(needed, running)
    if not queue.ready or needed.replicas <= running:
        return ruled_out(text("{running} are enough for what arrives", running=_n(running)), seen, numbers)
    to = ceiling.allows(running, needed.replicas)
    summary = text(
        "{arrival} arrive and {running} finish {finish}: {needed} are needed",
        arrival=per_second(needed.arrival),
        running=_n(running),
        finish=per_second(needed.per_replica * running),
        needed=_n(needed.replicas),
    )
    return confirmed(
        summary,
        seen,
        numbers,
        *_allowed(ceiling, needed.replicas - running),
        advice=_advice(needed, queue.messages, running, to, service.owner),
        running=service.wanted,
        to=to,
        version=service.version,
        owner=service.owner,
        budget={"more": needed.replicas - running, "each": ceiling.each, "free": ceiling.connections},
    )


def _another_cause(service: str, running: int, queue: Queue, *, refused: bool, locked: int) -> Text | None:
    if not running:
        return text("No replica of {service} runs: their number is not the cause", service=service)
    if refused:
        return text("The database refuses the replicas there are: more of them would be refused too")
    if queue.consumers < running:
        return text("Not all replicas that run consume: their number is not the cause")
    if queue.acknowledge_rate == 0:
        return text("The replicas finish nothing: more of them would do no more")
    if 2 * locked >= running:
        return text("The replicas wait for locks in the database: more of them would wait too")
    return None


def _unseen(service: Service) -> Text:
    return text(
        "How many replicas {service} has, or who decides it, cannot be seen: {unseen}",
        service=service.name,
        unseen="; ".join(service.unseen),
    )


def _advice(needed: Need, messages: int, running: int, to: int, owner: str) -> tuple[Text, ...]:
    if owner:
        return (text("The number belongs to {owner}: raise its limits there", owner=owner),)
    if to <= running:
        return (text("There may not be more than {running}: raise the limit that binds", running=_n(running)),)
    time = needed.drains(messages, to)
    if time is None:
        return (text("The limits allow {to}, which does not empty the queue: raise the limit that binds", to=_n(to)),)
    return (text("With {to} the {messages} that wait are done in {time}", to=_n(to), messages=_m(messages), time=time),)


def _numbers(needed: Need, running: int) -> Evidence:
    said = text(
        "{arrival} ÷ {each} of each replica × {headroom} of headroom = {needed}; {running} run",
        arrival=per_second(needed.arrival),
        each=per_second(needed.per_replica),
        headroom=HEADROOM,
        needed=_n(needed.replicas),
        running=running,
    )
    return fact(said, SOURCE)


def arithmetic(more: int, each: int, free: int) -> Text:
    """What more replicas cost in connections, and how many there are."""
    need = Quantity(more * each, "connections")
    if more == 1:
        return text("One more replica needs {need}; {free} are free", need=need, free=free)
    return text("{more} more replicas need {need}; {free} are free", more=more, need=need, free=free)


def _allowed(ceiling: Ceiling, more: int) -> tuple[Evidence, ...]:
    most = fact(text("{most} may run", most=_n(ceiling.replicas)), "max_replicas")
    if ceiling.connections is None:
        unseen = text("How many more connections the database allows is not known: no replica is added")
        return most, fact(unseen, "pg_stat_activity")
    return most, fact(arithmetic(more, ceiling.each, ceiling.connections), "pg_stat_activity")


def _seen(queue: Queue) -> Evidence:
    said = text(
        "{queue}: {messages}, {consumers}",
        queue=queue.name,
        messages=_m(queue.messages),
        consumers=Quantity(queue.consumers, "consumers"),
    )
    return fact(said, SOURCE if queue.source == "management" else "AMQP")


def _n(count: int) -> Quantity:
    return Quantity(count, "replicas")


def _m(count: int) -> Quantity:
    return Quantity(count, "messages")
