"""What RabbitMQ's management API says of the cluster, as it sends it: from 3.10 to 4.x.

A node that does not run has a name and nothing else. What 4.x gave up it still sends: sockets as 0 of 0.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from runbook.targets.rabbitmq.rows import Series
from runbook.targets.rates import Samples


class NodeRow(msgspec.Struct, frozen=True):
    """One node. Limits are words where the broker was told not to look ("disk_free_monitoring_disabled")."""

    name: str
    running: bool = False
    being_drained: bool = False
    partitions: tuple[str, ...] = ()
    mem_used: float | str | None = None
    mem_limit: float | str | None = None
    mem_alarm: bool = False
    disk_free: float | str | None = None
    disk_free_limit: float | str | None = None
    disk_free_alarm: bool = False
    fd_used: float | str | None = None
    fd_total: float | str | None = None
    sockets_used: float | str | None = None
    sockets_total: float | str | None = None
    proc_used: float | str | None = None
    proc_total: float | str | None = None


class HealthRow(msgspec.Struct, frozen=True, rename={"virtual_hosts": "virtual-hosts"}):
    """One health check; what is wrong is listed under a key of its own."""

    status: str
    reason: str = ""
    alarms: tuple[dict[str, Any], ...] = ()
    queues: tuple[dict[str, Any], ...] = ()
    virtual_hosts: tuple[str, ...] = ()
    expired: tuple[ExpiringRow, ...] = ()


class ExpiringRow(msgspec.Struct, frozen=True):
    """A TLS listener with the ends of its certificates, in UTC as ``2026-12-14 9:18:48``."""

    node: str = ""
    protocol: str = ""
    interface: str = ""
    port: int = 0
    certfile_expires_on: tuple[str, ...] | str = ()
    cacertfile_expires_on: tuple[str, ...] | str = ()


class ListenerRow(msgspec.Struct, frozen=True):
    """Where a node listens."""

    node: str = ""
    protocol: str = ""
    port: int = 0

    @property
    def encrypted(self) -> bool:
        """By the protocol's name, which is all that says so in every version."""
        return "ssl" in self.protocol or self.protocol.endswith("https")


class ChurnRow(msgspec.Struct, frozen=True):
    """How many of each there have ever been."""

    connection_created_details: Series = Series()
    channel_created_details: Series = Series()


class OverviewRow(msgspec.Struct, frozen=True):
    """The broker as a whole."""

    rabbitmq_version: str
    cluster_name: str = ""
    node: str = ""
    disable_stats: bool = False
    listeners: tuple[ListenerRow, ...] = ()
    churn_rates: ChurnRow | list[Any] = ChurnRow()

    @property
    def churn(self) -> ChurnRow:
        """Empty where the broker keeps no statistics."""
        return self.churn_rates if isinstance(self.churn_rates, ChurnRow) else ChurnRow()


class UnroutableRow(msgspec.Struct, frozen=True):
    """Messages that no queue took: given back to a publisher who asked for that, or dropped."""

    return_unroutable_details: Series = Series()
    drop_unroutable_details: Series = Series()


class VirtualHostRow(msgspec.Struct, frozen=True):
    """One virtual host: what it is on each node, and what it could not route."""

    name: str
    cluster_state: dict[str, str] | list[Any] = {}
    message_stats: UnroutableRow | list[Any] = UnroutableRow()


class PolicyRow(msgspec.Struct, frozen=True, rename={"apply_to": "apply-to"}):
    """One policy of the virtual host."""

    name: str
    pattern: str = ""
    definition: dict[str, Any] = {}
    apply_to: str = ""


class TotalsRow(msgspec.Struct, frozen=True):
    """One queue without statistics; no lengths where nobody can tell them (it is down, or exclusive and just going)."""

    name: str
    type: str = "classic"
    state: str = "running"
    durable: bool | None = True
    exclusive: bool | None = False
    auto_delete: bool | None = False
    arguments: dict[str, Any] | list[Any] = {}
    policy: str | None = None
    messages: int | None = None
    messages_ready: int | None = None
    messages_unacknowledged: int | None = None
    members: tuple[str, ...] = ()
    online: tuple[str, ...] = ()

    @property
    def argument(self) -> dict[str, Any]:
        """What it was declared with."""
        return self.arguments if isinstance(self.arguments, dict) else {}


class BindingRow(msgspec.Struct, frozen=True):
    """One binding of an exchange."""

    destination: str
    destination_type: str = "queue"
    routing_key: str = ""


def samples_of(series: Series) -> Samples:
    """All samples of a counter, oldest first."""
    return tuple((datetime.fromtimestamp(s.timestamp / 1000, UTC), round(s.sample)) for s in reversed(series.samples))
