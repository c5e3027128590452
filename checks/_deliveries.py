"""What is judged of how queues are worked off: depth, age, who holds and who takes the messages. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks._growth import Earlier
from runbook import clock
from runbook.limits import Limits
from runbook.model import State
from runbook.text import Quantity, percent, text

if TYPE_CHECKING:
    from runbook.targets.rabbitmq.broker import Queue
    from runbook.targets.rabbitmq.inventory import Inventory, QueueTotal


def depth(queue: QueueTotal, earlier: Earlier, limits: Limits) -> None:
    """Judge one queue that nobody watches by its depth, and by how much it grew since the earliest run looked at."""
    messages = queue.messages or 0
    grown = round(messages - earlier[0][1]) if earlier else 0
    shown = {"queue": queue.name, "messages": Quantity(messages, "messages")}
    said = text("{queue} holds {messages}", **shown)
    if grown > limits.number("grown"):
        since = text(
            "{queue} holds {messages}, {grown} more than at {since}", grown=grown, since=earlier[0][0], **shown
        )
        if limits.judge(messages, of=queue.name, summary=since) is State.OK:
            limits.hold(State.WARNING, of=f"{queue.name} (+)", value=grown, summary=since)
        return
    limits.judge(messages, of=queue.name, summary=said)


def all_of_them(inventory: Inventory, limits: Limits) -> None:
    """Say what was looked at: a broker whose queues are all empty is judged too."""
    shown = {"queues": Quantity(inventory.queues, "queues"), "messages": Quantity(inventory.messages, "messages")}
    limits.hold(State.OK, of="*", summary=text("{queues} hold {messages}", **shown))


def unacknowledged(inventory: Inventory, limits: Limits) -> None:
    """Judge the queues of which the consumers hold most."""
    for queue in inventory.most_unacknowledged:
        held = Quantity(queue.unacknowledged or 0, "messages")
        said = text("The consumers of {queue} hold {messages}", queue=queue.name, messages=held)
        limits.judge(queue.unacknowledged or 0, of=queue.name, summary=said)
    if not inventory.most_unacknowledged:
        limits.hold(State.OK, of="*", summary=text("No consumer holds a message"))


def age(queue: Queue, limits: Limits) -> None:
    """Judge how long the oldest message waits: as its publisher dated it, else by how long as many took to come.

    Where nothing comes in any more and nothing is dated, nobody can tell: they have waited for the window at least.
    """
    if not queue.ready:
        limits.judge(timedelta(0), of=queue.name, summary=text("No message waits in {queue}", queue=queue.name))
        return
    if queue.head_at is not None:
        waited = clock.now() - queue.head_at
        said = text("The oldest message of {queue} was sent {age} ago", queue=queue.name, age=waited)
    elif queue.arrival_rate:
        waited = timedelta(seconds=queue.ready / queue.arrival_rate)
        said = text("What waits in {queue} came in within {age}", queue=queue.name, age=waited)
    else:
        limits.cannot_see(text("How long messages wait in {queue} is not told: none bears a time", queue=queue.name))
        return
    limits.judge(waited, of=queue.name, summary=said)


def consumers(queue: Queue, limits: Limits) -> None:
    """Judge whether somebody consumes, and how often somebody was free where much waits."""
    shown = {"queue": queue.name, "consumers": Quantity(queue.consumers, "consumers")}
    if not queue.consumers:
        state = State.CRITICAL if queue.ready else State.WARNING
        limits.hold(state, of=queue.name, value=0, summary=text("{queue} has no consumer", queue=queue.name))
    elif queue.ready < limits.number("least_messages"):
        limits.hold(State.OK, of=queue.name, value=queue.consumers, summary=text("{queue} has {consumers}", **shown))
    elif queue.capacity is None:
        limits.cannot_see(text("How busy the consumers of {queue} are is not told", queue=queue.name))
    else:
        free = percent(100 * queue.capacity)
        busy = text("{consumers} of {queue} are free {free} of the time while messages wait", free=free, **shown)
        limits.judge(100 * queue.capacity, of=queue.name, summary=busy)


def redeliveries(queue: Queue, limits: Limits) -> None:
    """Judge what part of the deliveries was not the first of its message."""
    if queue.delivery_rate is None or queue.redelivery_rate is None:
        limits.cannot_see(text("How often {queue} delivers again is told by the management API only", queue=queue.name))
        return
    if queue.delivery_rate < limits.number("least_rate"):
        few = text("{queue} delivers too little to judge it", queue=queue.name)
        limits.hold(State.OK, of=queue.name, value=queue.delivery_rate, summary=few)
        return
    share = 100 * queue.redelivery_rate / queue.delivery_rate
    said = text("{share} of the deliveries of {queue} are repeated", share=percent(share), queue=queue.name)
    limits.judge(share, of=queue.name, summary=said)
