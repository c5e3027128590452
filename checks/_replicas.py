"""The queue's consumers as the process manager and the broker see them: down, stuck, or at work. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from checks._found import confirmed, fact, ruled_out, unknown
from runbook.model import Evidence, Finding
from runbook.text import Quantity, Text, per_second, text

if TYPE_CHECKING:
    from runbook.targets.rabbitmq.broker import Consumer, Queue
    from runbook.targets.workers.workers import Replica, Service

#: States of a replica that should run and does not (supervisor's words, whoever keeps it).
FALLEN = frozenset({"FATAL", "BACKOFF", "EXITED", "UNKNOWN"})
#: Replicas that were stopped together are started together; who was stopped earlier was meant to be.
TOGETHER = timedelta(minutes=1)
#: A replica younger than this may still be on its way to the broker.
YOUNG = timedelta(seconds=5)
PROCESSES = "process manager"


def alive(replicas: Iterable[Replica]) -> list[Replica]:
    """Those that run or are just being started."""
    return [replica for replica in replicas if replica.running or replica.state == "STARTING"]


def to_start(replicas: Sequence[Replica]) -> list[Replica]:
    """Those that should run and do not: the fallen, and where nothing runs those that were stopped last.

    Where nothing ever ran it is the first one declared. Never more than that: how many are needed is another cause's.
    """
    fallen = [replica for replica in replicas if replica.state in FALLEN and replica.declared]
    if alive(replicas) or fallen:
        return fallen
    replicas = [replica for replica in replicas if replica.declared]
    stopped = [replica for replica in replicas if replica.since is not None]
    last = min((replica.since for replica in stopped if replica.since is not None), default=timedelta(0))
    together = [replica for replica in stopped if replica.since is not None and replica.since <= last + TOGETHER]
    return together or list(replicas[:1])


def down(service: Service, replicas: Sequence[Replica], queue: Queue) -> Finding:
    """Whether replicas that should run do not, and the running ones do not keep up without them."""
    running, missing = alive(replicas), to_start(replicas)
    evidence = (states(service.name, replicas), _seen(queue))
    if not running and service.unseen:
        unseen = text("Whether {service} runs cannot be seen: {unseen}", service=service.name, unseen=_list(service))
        return unknown(unseen, *evidence)
    if not running:
        return confirmed(
            _none_runs(service.name), *evidence, advice=_itself(service, replicas), **_restore(service, missing)
        )
    if missing and not _keeps_up(queue):
        fell = text(
            "{missing} of {service} fell over, and the rest does not keep up",
            missing=_n(missing),
            service=service.name,
        )
        return confirmed(fell, *evidence, start=[handle(replica) for replica in missing])
    return ruled_out(_run(service.name, running), *evidence)


def _restore(service: Service, missing: Sequence[Replica]) -> dict[str, Any]:
    """What the remedy needs: replicas to start, or a number above none for a process manager that keeps one."""
    if service.numbered and not service.wanted and not missing:
        asked = {"running": 0, "to": 1, "version": service.version, "owner": service.owner}
        return {"start": [], "scale": [asked]}
    return {"start": [handle(replica) for replica in missing]}


def _itself(service: Service, replicas: Sequence[Replica]) -> tuple[Text, ...]:
    """A process manager that keeps a number tries again by itself: what it runs into is what must be mended."""
    problem = next((replica.problem for replica in replicas if replica.problem), service.problem)
    if not service.numbered or not service.wanted or not problem:
        return ()
    return (text("They are started again by themselves; see why they do not stay up: {problem}", problem=problem),)


def _list(service: Service) -> str:
    return "; ".join(service.unseen)


def stuck(
    service: Service, replicas: Sequence[Replica], queue: Queue, clients: Sequence[Consumer] | None, refused: bool
) -> Finding:
    """Whether replicas live but take nothing from the queue, or hold what they took and finish nothing.

    A replica that steps back because the database refuses it is not stuck: restarting it would change nothing.
    """
    running = [replica for replica in replicas if replica.running]
    if not running:
        return ruled_out(text("No replica of {service} runs: there is none to be stuck", service=service.name))
    if refused:
        return ruled_out(text("The replicas wait because the database refuses them; they are not stuck"), _seen(queue))
    lacking = len(running) - queue.consumers
    if lacking > 0:
        return _without_consumer(service, running, lacking, queue, clients)
    if queue.acknowledge_rate is None:
        return unknown(text("Whether the consumers finish anything is told by the management API only"), _seen(queue))
    if queue.messages and queue.acknowledge_rate == 0:
        idle = text("{consumers} hold {held} and finish none", consumers=_consumers(queue), held=_held(queue))
        return confirmed(idle, _seen(queue), **_restart(service, running))
    return ruled_out(
        text("{consumers} finish {rate}", consumers=_consumers(queue), rate=per_second(queue.acknowledge_rate)),
        _seen(queue),
    )


def _restart(service: Service, replicas: Sequence[Replica]) -> dict[str, Any]:
    if service.whole:
        return {"restart": [], "roll": [{"running": service.wanted, "version": service.version}]}
    return {"restart": [handle(replica) for replica in replicas]}


def _without_consumer(
    service: Service, running: Sequence[Replica], lacking: int, queue: Queue, clients: Sequence[Consumer] | None
) -> Finding:
    silent = _silent(running, lacking, clients)
    if all(replica.since is not None and replica.since < YOUNG for replica in silent):
        return unknown(text("The replicas that do not consume yet have only just been started"), _seen(queue))
    without = text("These replicas run without a consumer on {queue}", queue=queue.name)
    names = fact(without, silent[0].keeper if silent else PROCESSES, map(_line, silent))
    alive_but = text(
        "{running} run, but {queue} has {consumers}", running=_n(running), queue=queue.name, consumers=_consumers(queue)
    )
    return confirmed(alive_but, _seen(queue), names, **_restart(service, silent))


def _silent(running: Sequence[Replica], lacking: int, clients: Sequence[Consumer] | None) -> list[Replica]:
    """The replicas that no consumer names; all of them where clients do not say who they are."""
    named = {consumer.client for consumer in clients or ()}
    silent = [replica for replica in running if replica.name not in named]
    return silent if clients is not None and len(silent) == lacking else list(running)


def _run(service: str, running: Sequence[Replica]) -> Text:
    return text("{running} of {service} run", running=_n(running), service=service)


def _none_runs(service: str) -> Text:
    return text("No replica of {service} runs", service=service)


def states(service: str, replicas: Sequence[Replica]) -> Evidence:
    counted = {"running": len(alive(replicas)), "declared": _n(replicas), "service": service}
    said = text("{running} of {declared} of {service} run", **counted)
    return fact(said, replicas[0].keeper if replicas else PROCESSES, map(_line, replicas))


def _keeps_up(queue: Queue) -> bool:
    growth = queue.growth_per_minute
    return bool(queue.consumers) and growth is not None and growth <= 0


def _seen(queue: Queue) -> Evidence:
    source = "RabbitMQ management API" if queue.source == "management" else "AMQP"
    said = text(
        "{queue}: {messages}, {held} taken and not finished, {consumers}",
        queue=queue.name,
        messages=Quantity(queue.messages, "messages"),
        held=queue.unacknowledged,
        consumers=_consumers(queue),
    )
    return fact(said, source)


def handle(replica: Replica) -> dict[str, object]:
    """What a step needs of a replica: its name, and what it was when the plan was made."""
    known: dict[str, object] = {"name": replica.name, "state": replica.state, "pid": replica.pid}
    return {**known, "life": replica.life} if replica.life else known


def _line(replica: Replica) -> str:
    since = "" if replica.since is None else f" {replica.since.total_seconds():.0f} s"
    problem = f": {replica.problem}" if replica.problem else ""
    return f"{replica.name} {replica.state}{since}{problem}"


def _n(replicas: Sequence[Replica]) -> Quantity:
    return Quantity(len(replicas), "replicas")


def _consumers(queue: Queue) -> Quantity:
    return Quantity(queue.consumers, "consumers")


def _held(queue: Queue) -> Quantity:
    return Quantity(queue.unacknowledged or 0, "messages")
