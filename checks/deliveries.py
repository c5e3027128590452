"""How the queues are worked off: how deep, how old, by whom, how often again, and what becomes of what is rejected."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _asked, _broker_rules, _dead_letters, _deliveries
from checks import _broker_advice as advice
from runbook.limits import Limits, Threshold
from runbook.rows import row
from runbook.text import text

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.rabbitmq.broker import Broker

MINUTE = timedelta(minutes=1)


@row(
    "QUEUE-03",
    source="nivel de servicio: 50,000 registros en 30 min; un lote usual: 25,000",
    es="Ninguna otra cola acumula mensajes",
    threshold=Threshold(warning=25_000, critical=50_000, unit="messages"),
    settings={"window": timedelta(hours=1), "grown": 10_000},
    person=advice.DEEP,
)
def check_no_other_queue_piles_up(broker: Broker, history: History, limits: Limits) -> None:
    """No other queue piles up messages.

    A queue that nobody watches fills memory and disk of the broker, and stops the ones that matter.
    """
    watched = {*broker.watched, *broker.dead_letter_names}
    for queue in broker.inventory().deepest:
        if queue.name not in watched:
            _deliveries.depth(queue, _asked.earlier(history, "QUEUE-03", queue.name, limits), limits)
    _deliveries.all_of_them(broker.inventory(), limits)


@row(
    "QUEUE-04",
    source="RabbitMQ: Consumer Prefetch; 20 por réplica es lo usual aquí",
    es="Los consumidores no retienen demasiados mensajes",
    threshold=Threshold(warning=1_000, critical=10_000, unit="messages"),
    person=advice.UNACKNOWLEDGED,
)
def check_consumers_hold_few(broker: Broker, limits: Limits) -> None:
    """The consumers hold no more messages than they work on.

    What one consumer took and does not finish no other can have; the broker keeps it in memory.
    """
    _deliveries.unacknowledged(broker.inventory(), limits)


@row(
    "QUEUE-05",
    source="nivel de servicio: un lote de 50,000 en 30 min; la mitad, como aviso",
    es="Los mensajes no esperan demasiado en la cola",
    threshold=Threshold(warning=timedelta(minutes=15), critical=timedelta(minutes=30)),
    settings={"window": MINUTE},
    person=advice.AGE,
)
def check_messages_do_not_wait_long(broker: Broker, limits: Limits) -> None:
    """Messages do not wait long in the queue.

    A short queue can be an old one: a record that waits for an hour is late, however few are before it.
    """
    for queue in broker.queues(watched=True, window=limits.span("window")):
        _deliveries.age(queue, limits)


@row(
    "QUEUE-06",
    source="RabbitMQ: Consumer Capacity; umbrales del equipo",
    es="Las colas tienen consumidores que las atienden",
    threshold=Threshold(warning=50, critical=20, unit="%", direction="below"),
    # Three minutes of work at the service level's pace: less than that says nothing of the consumers.
    settings={"window": MINUTE, "least_messages": 5_000},
    person=advice.CONSUMERS,
)
def check_queues_have_consumers(broker: Broker, limits: Limits) -> None:
    """The queues have consumers that keep up with them.

    Consumers that are never free when a message is there are too few, or take too few at a time.
    """
    for queue in broker.queues(watched=True, window=limits.span("window")):
        _deliveries.consumers(queue, limits)


@row(
    "QUEUE-07",
    source="RabbitMQ: Reliability (redeliveries); umbrales del equipo",
    es="Los mensajes no se entregan una y otra vez",
    threshold=Threshold(warning=10, critical=50, unit="%"),
    # One message that is given back now and then is no loop: that one makes thousands of deliveries a second.
    settings={"window": MINUTE, "least_rate": 1},
    person=advice.REDELIVERIES,
)
def check_messages_are_delivered_once(broker: Broker, limits: Limits) -> None:
    """Messages are not delivered again and again.

    A message that is given back each time is work without an end: consumers look busy and finish nothing.
    """
    if not broker.managed:
        limits.skip(text("Only the management API tells it: set broker.management_url in the site file"))
        return
    for queue in broker.queues(watched=True, window=limits.span("window")):
        _deliveries.redeliveries(queue, limits)


@row(
    "QUEUE-08",
    source="práctica de RabbitMQ: dead letter exchange; umbrales del equipo",
    es="No llegan mensajes nuevos a la cola de mensajes muertos",
    threshold=Threshold(warning=0, critical=10, unit="1/min"),
    settings={"window": timedelta(minutes=10)},
    person=advice.GROWTH,
)
def check_no_new_dead_letters(broker: Broker, history: History, limits: Limits) -> None:
    """No new messages come to the dead letters.

    Old ones wait for a decision; new ones mean that something rejects records right now.
    """
    for queue in broker.dead_letters():
        _dead_letters.judge_growth(queue, _asked.earlier(history, "QUEUE-02", queue.name, limits), limits)


@row(
    "QUEUE-09",
    source="práctica de RabbitMQ: dead letter exchange",
    es="Toda cola conserva lo que rechaza",
    threshold=Threshold(warning=0, critical=None, unit="queues"),
    person=advice.WAYS,
)
def check_rejected_messages_are_kept(broker: Broker, limits: Limits) -> None:
    """Every queue keeps what it rejects.

    Without a dead-letter exchange, or with one that leads nowhere, a rejected record is gone without a trace.
    """
    _broker_rules.dead_letter_ways(broker.inventory(), broker.watched, limits)
