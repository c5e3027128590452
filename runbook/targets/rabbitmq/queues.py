"""A queue, its consumers and its clients: how RabbitMQ's own words become ours. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from runbook.targets.rabbitmq import amqp
from runbook.targets.rabbitmq.rows import ConsumerRow, QueueRow
from runbook.targets.rates import Samples, slope, span


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """One queue now and over the window.

    ``messages`` = ready + unacknowledged; over AMQP only the ready ones are seen and ``unacknowledged`` is None.
    Rates are None where there were no samples: unknown, not zero. ``samples`` are of ``messages``, oldest first, by
    the broker's clock ("management") or ours ("amqp"). ``capacity`` is the share of time (0 to 1) in which a consumer
    could have taken the next message at once; ``head_at`` the time its publisher wrote on the oldest message.
    """

    name: str
    messages: int
    ready: int
    unacknowledged: int | None
    consumers: int
    arrival_rate: float | None = None
    acknowledge_rate: float | None = None
    delivery_rate: float | None = None
    redelivery_rate: float | None = None
    capacity: float | None = None
    head_at: datetime | None = None
    growth_per_minute: float | None = None
    window: timedelta = timedelta(0)
    samples: Samples = ()
    source: Literal["management", "amqp"] = "management"


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes messages from a queue. ``client`` is the name the client gave itself, else its address."""

    queue: str
    tag: str
    connection: str
    user: str
    client: str
    prefetch: int
    unacknowledged: int | None


class ClientConnection(msgspec.Struct, frozen=True, kw_only=True):
    """One client of the broker; ``client_name`` is empty where the client gave none."""

    name: str
    user: str
    client_name: str
    state: str
    channels: int
    connected_at: datetime | None


def from_api(row: QueueRow) -> Queue:
    """A queue as the management API tells of it."""
    samples = row.messages_details.known(row.moments)
    return Queue(
        name=row.name,
        messages=row.messages or 0,
        ready=row.messages_ready or 0,
        unacknowledged=row.messages_unacknowledged,
        consumers=len(row.consumer_details),
        arrival_rate=row.arrivals,
        acknowledge_rate=row.departures,
        delivery_rate=row.deliveries,
        redelivery_rate=row.redeliveries,
        capacity=row.consumer_capacity,
        head_at=row.head_at,
        growth_per_minute=_per_minute(slope(samples)),
        window=span(samples),
        samples=samples,
    )


def from_amqp(name: str, first: amqp.Depth, last: amqp.Depth) -> Queue:
    """A queue as two looks at it by plain AMQP tell."""
    samples = ((first.at, first.ready), (last.at, last.ready))
    return Queue(
        name=name,
        messages=last.ready,
        ready=last.ready,
        unacknowledged=None,
        consumers=last.consumers,
        growth_per_minute=_per_minute(slope(samples)),
        window=span(samples),
        samples=samples,
        source="amqp",
    )


def consumer_of(queue: str, row: ConsumerRow, held: dict[str, int | None], names: dict[str, str]) -> Consumer:
    """A consumer with what its channel holds and what its connection calls itself."""
    channel = row.channel
    return Consumer(
        queue=queue,
        tag=row.consumer_tag,
        connection=channel.connection_name,
        user=channel.user,
        client=names.get(channel.connection_name) or f"{channel.peer_host}:{channel.peer_port}",
        prefetch=row.prefetch_count,
        unacknowledged=held.get(channel.name),
    )


def _per_minute(rate: float | None) -> float | None:
    return None if rate is None else rate * 60


def moment(milliseconds: int | None) -> datetime | None:
    """A time of the API."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
