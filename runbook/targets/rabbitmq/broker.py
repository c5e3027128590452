"""RabbitMQ: its nodes, how deep the queues are and how fast they grow, who consumes; and putting dead letters back."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.model import Effect
from runbook.probes import probe
from runbook.settings import BrokerSettings
from runbook.settings.broker import DeclaredPolicy, ReplaySettings
from runbook.targets.base import Target, operation
from runbook.targets.rabbitmq import amqp
from runbook.targets.rabbitmq.api import ManagementApi
from runbook.targets.rabbitmq.cluster import Certificate, Cluster, read_certificates, read_cluster
from runbook.targets.rabbitmq.inventory import Inventory, read_inventory
from runbook.targets.rabbitmq.queues import ClientConnection, Consumer, Queue, consumer_of, from_amqp, from_api, moment
from runbook.targets.rabbitmq.rights import rights_of
from runbook.targets.rabbitmq.rows import QueueRow
from runbook.targets.rights import Right
from runbook.text import text

__all__ = ["Broker", "ClientConnection", "Consumer", "Queue"]

#: The time over which growth is fitted unless the row says otherwise.
WINDOW = timedelta(seconds=60)
#: How long putting messages back may take; it can be left behind, and ends between two of them.
LONG = timedelta(hours=1)
_REPLAY = "RabbitMQ user tag policymaker, permission to read the dead-letter queues, permission to write to the queues"


class Broker(Target):
    """The message broker of one environment.

    The management API is asked first: one request a queue gives lengths, rates and their last minutes, so nothing
    waits between two samples. Where the API is off, plain AMQP tells less and takes a second.
    """

    kind: ClassVar[str] = "broker"

    def __init__(
        self, name: str, settings: BrokerSettings | None, *, environment: str, state: Path | None = None
    ) -> None:
        """``state`` is the folder in which putting messages back keeps its ledgers; without one it refuses."""
        super().__init__(name)
        self._given, self._setting = settings, f"environments.{environment}.broker"
        self._state, self._stop = state, threading.Event()

    @property
    def watched(self) -> tuple[str, ...]:
        """The queues that the site names."""
        return self._settings.queues

    @property
    def dead_letter_names(self) -> tuple[str, ...]:
        """The dead-letter queues that the site names; empty where it names none."""
        return self._settings.dead_letter_queues

    @property
    def managed(self) -> bool:
        """Whether the site names the management API: without it much is never told."""
        return self._settings.management_url is not None

    @property
    def virtual_host(self) -> str:
        """The virtual host that all of it is in."""
        return self._settings.vhost

    @property
    def replaying(self) -> ReplaySettings:
        """How dead letters are put back here."""
        return self._settings.replay

    @property
    def declared_policies(self) -> dict[str, DeclaredPolicy]:
        """The policies as the site wants them, by name."""
        return self._settings.policies

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
        return tuple(consumer_of(queue, row, held, names) for queue, row in found)

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
                connected_at=moment(row.connected_at),
            )
            for row in sorted(rows, key=lambda row: row.connected_at or 0)
        )

    @probe(needs="RabbitMQ user tag monitoring")
    def cluster(self) -> Cluster:
        """The nodes, the health checks and the virtual hosts, as the node that answers sees them. Reads only."""
        with self._api() as api:
            return read_cluster(api)

    @probe(needs="RabbitMQ user tag monitoring")
    def certificates(self) -> tuple[Certificate, ...]:
        """When the certificate of each TLS listener ends; empty where the broker has none. Reads only."""
        with self._api() as api:
            return read_certificates(api)

    @probe(needs="RabbitMQ user tag monitoring, and a permission in the virtual host", deadline=timedelta(seconds=8))
    def inventory(self) -> Inventory:
        """All queues of the virtual host, without statistics: once a run, for it costs a second with thousands.

        Raises ProbeError(BLIND) where a policy is in force that the reader may not see. Reads only.
        """
        with self._api() as api:
            return read_inventory(api, self._settings.queues, self._settings.dead_letter_queues)

    @probe(deadline=timedelta(seconds=15))
    def rights(self) -> tuple[Right, ...]:
        """What the reader and the operator may do, and the command that mends what they may not. Reads only."""
        return rights_of(self.name, self._settings)

    @operation(Effect.CHANGE, needs=_REPLAY, deadline=LONG)
    def replay(self, *, queue: str, most: int, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """Put at most ``most`` dead letters of a queue back where they were rejected; nothing takes that back.

        ``fingerprint`` is ``{"messages": …}``, how many it held. A few go first; it stops when one comes back.
        """
        from runbook.targets.rabbitmq.replaying import replay

        return replay(self.name, self._settings, self._state, queue, most, fingerprint, self._stop.is_set)

    def interrupt(self) -> None:
        """End a replay after the message it is at."""
        self._stop.set()

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
        return tuple(by_amqp.get(row.name) or from_api(row) for row in rows)

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
        return tuple(from_amqp(queue, *seen[queue]) for queue in queues)


def _api_is_off(error: ProbeError) -> bool:
    """Nobody listens there, or what does is not the management plugin."""
    return error.kind is ProbeFailure.REFUSED or (error.kind is ProbeFailure.BROKEN and error.code == "404")
