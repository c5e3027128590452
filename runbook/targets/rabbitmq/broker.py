"""RabbitMQ: how deep the queues are, how fast they grow, and who consumes from them. Reads only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

import msgspec

from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.probes import probe
from runbook.settings import BrokerSettings
from runbook.targets.base import Target
from runbook.targets.rabbitmq import amqp
from runbook.targets.rabbitmq.api import ManagementApi
from runbook.targets.rabbitmq.rights import rights_of
from runbook.targets.rabbitmq.rows import ConsumerRow, QueueRow
from runbook.targets.rates import Samples, slope, span
from runbook.targets.rights import Right
from runbook.text import text

#: The time over which growth is fitted unless the row says otherwise.
WINDOW = timedelta(seconds=60)


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """One queue now and over the window.

    ``messages`` = ready + unacknowledged; over AMQP only the ready ones are seen and ``unacknowledged`` is None.
    Rates are None where there were no samples: unknown, not zero. ``samples`` are of ``messages``, oldest first, by
    the broker's clock ("management") or ours ("amqp").
    """

    name: str
    messages: int
    ready: int
    unacknowledged: int | None
    consumers: int
    arrival_rate: float | None = None
    acknowledge_rate: float | None = None
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


class Broker(Target):
    """The message broker of one environment.

    The management API is asked first: one request a queue gives lengths, rates and their last minutes, so nothing
    waits between two samples. Where the API is off, plain AMQP tells less and takes a second.
    """

    kind: ClassVar[str] = "broker"

    def __init__(self, name: str, settings: BrokerSettings | None, *, environment: str) -> None:
        super().__init__(name)
        self._given, self._setting = settings, f"environments.{environment}.broker"

    @probe(needs="RabbitMQ user tag monitoring")
    def queues(self, watched: bool = True, window: timedelta = WINDOW) -> tuple[Queue, ...]:
        """The watched queues in the order of the settings, or all of the virtual host.

        Raises ProbeError(ABSENT) for a watched queue that does not exist, DENIED without the tag. Reads only.
        """
        if watched:
            return self._named(self._settings.queues, window)
        with self._api() as api:
            rows = api.queues(window)
        return self._completed(rows)

    @probe(needs="RabbitMQ user tag monitoring")
    def dead_letters(self, window: timedelta = WINDOW) -> tuple[Queue, ...]:
        """The dead-letter queues in the order of the settings. Raises NotConfigured where none is named."""
        named = self._settings.dead_letter_queues
        if not named:
            raise NotConfigured(self.name, f"{self._setting}.dead_letter_queues")
        return self._named(named, window)

    @probe(needs="RabbitMQ permission in the virtual host", channel="amqp")
    def depths(self) -> tuple[Queue, ...]:
        """The watched queues by plain AMQP, for when the management API is silent; takes a second. Reads only."""
        return self._sampled(self._settings.queues)

    @probe(needs="RabbitMQ user tag monitoring")
    def consumers(self) -> tuple[Consumer, ...]:
        """The consumers of the watched queues; empty when nobody consumes. Needs the management API."""
        with self._api() as api:
            found = [(queue, row) for queue in self._settings.queues for row in api.consumers(queue)]
            held = {row.name: row.messages_unacknowledged for row in api.channels()}
            names = {row.name: row.user_provided_name for row in api.connections()}
        return tuple(_consumer(queue, row, held, names) for queue, row in found)

    @probe(needs="RabbitMQ user tag monitoring")
    def connections(self) -> tuple[ClientConnection, ...]:
        """Every client connected to the virtual host, oldest first. Needs the management API."""
        with self._api() as api:
            rows = api.connections()
        return tuple(
            ClientConnection(
                name=row.name,
                user=row.user,
                client_name=row.user_provided_name,
                state=row.state,
                channels=row.channels,
                connected_at=_moment(row.connected_at),
            )
            for row in sorted(rows, key=lambda row: row.connected_at or 0)
        )

    @probe(deadline=timedelta(seconds=15))
    def rights(self) -> tuple[Right, ...]:
        """What the reader and the operator may do, and the command that mends what they may not. Reads only."""
        return rights_of(self.name, self._settings)

    @property
    def _settings(self) -> BrokerSettings:
        if self._given is None:
            raise NotConfigured(self.name, self._setting)
        return self._given

    def _api(self) -> ManagementApi:
        url = self._settings.management_url
        if url is None:
            raise NotConfigured(self.name, f"{self._setting}.management_url")
        return ManagementApi(self.name, url, self._settings, self._settings.reader)

    def _named(self, queues: tuple[str, ...], window: timedelta) -> tuple[Queue, ...]:
        if self._settings.management_url is None:
            return self._sampled(queues)
        try:
            with self._api() as api:
                rows = tuple(api.queue(name, window) for name in queues)
        except ProbeError as error:
            if not _api_is_off(error):
                raise
            return self._sampled(queues)
        return self._completed(rows)

    def _completed(self, rows: tuple[QueueRow, ...]) -> tuple[Queue, ...]:
        """What the API has no statistics of (some seconds after the broker's start) is asked by AMQP."""
        blind = tuple(row.name for row in rows if not row.has_statistics)
        by_amqp = {queue.name: queue for queue in self._unseen(blind)}
        return tuple(by_amqp.get(row.name) or _from_api(row) for row in rows)

    def _unseen(self, queues: tuple[str, ...]) -> tuple[Queue, ...]:
        try:
            return self._sampled(queues) if queues else ()
        except ProbeError as error:
            said = text(
                "the broker has no statistics of {queues} yet; by AMQP: {reason}",
                queues=", ".join(queues),
                reason=error,
            )
            raise ProbeError(self.name, ProbeFailure.BLIND, said) from error

    def _sampled(self, queues: tuple[str, ...]) -> tuple[Queue, ...]:
        seen = amqp.depths(self.name, self._settings, self._settings.reader, queues)
        return tuple(_from_amqp(queue, *seen[queue]) for queue in queues)


def _api_is_off(error: ProbeError) -> bool:
    """Nobody listens there, or what does is not the management plugin."""
    return error.kind is ProbeFailure.REFUSED or (error.kind is ProbeFailure.BROKEN and error.code == "404")


def _from_api(row: QueueRow) -> Queue:
    samples = row.messages_details.known(row.moments)
    return Queue(
        name=row.name,
        messages=row.messages or 0,
        ready=row.messages_ready or 0,
        unacknowledged=row.messages_unacknowledged,
        consumers=len(row.consumer_details),
        arrival_rate=row.arrivals,
        acknowledge_rate=row.departures,
        growth_per_minute=_per_minute(slope(samples)),
        window=span(samples),
        samples=samples,
    )


def _from_amqp(name: str, first: amqp.Depth, last: amqp.Depth) -> Queue:
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


def _consumer(queue: str, row: ConsumerRow, held: dict[str, int | None], names: dict[str, str]) -> Consumer:
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


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
