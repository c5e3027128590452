"""RabbitMQ: how deep the queues are, how fast they grow, and who consumes from them. Reads only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

import msgspec

from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.probes import probe
from runbook.settings import BrokerSettings
from runbook.targets import rabbitmq_amqp as amqp
from runbook.targets.base import Target
from runbook.targets.rabbitmq_api import ChannelOf, ConsumerRow, ManagementApi, QueueRow, Traffic
from runbook.targets.rabbitmq_rights import rights_of
from runbook.targets.rates import Samples, rise, slope, span
from runbook.targets.rights import Right

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
            return tuple(_from_api(row) for row in api.queues(window) if row.messages is not None)

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
            found = [(q, row) for q in self._settings.queues for row in self._absent(q, lambda: api.consumers(q))]
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
        if self._settings.management_url is None:
            raise NotConfigured(self.name, f"{self._setting}.management_url")
        return ManagementApi(self.name, self._settings, self._settings.reader)

    def _named(self, queues: tuple[str, ...], window: timedelta) -> tuple[Queue, ...]:
        if self._settings.management_url is None:
            return self._sampled(queues)
        try:
            with self._api() as api:
                rows = [self._absent(name, lambda: api.queue(name, window)) for name in queues]
        except ProbeError as error:
            if not _api_is_off(error):
                raise
            return self._sampled(queues)
        found = tuple(_from_api(row) for row in rows if row.messages is not None)
        blind = tuple(row.name for row in rows if row.messages is None)
        return (*found, *(self._sampled(blind) if blind else ()))

    def _absent[T](self, queue: str, ask: Callable[[], T]) -> T: ...
