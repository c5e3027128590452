"""The broker as a cluster: its nodes and what they have left, its health checks, its virtual hosts. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.targets.rabbitmq.api import ManagementApi
from runbook.targets.rabbitmq.cluster_rows import (
    ExpiringRow,
    HealthRow,
    ListenerRow,
    NodeRow,
    OverviewRow,
    UnroutableRow,
    VirtualHostRow,
    samples_of,
)
from runbook.targets.rabbitmq.rows import Series
from runbook.targets.rates import rise

#: The time over which connections that come and go are counted, and messages that no queue took.
WINDOW = timedelta(minutes=10)
#: Seconds between two samples: as often as RabbitMQ collects them unless told otherwise.
_INCREMENT = "5"
_OVERVIEW = (
    *("rabbitmq_version", "cluster_name", "node", "disable_stats"),
    *(f"churn_rates.{kind}_created_details" for kind in ("connection", "channel")),
)
_HOST = ("name", "cluster_state", *(f"message_stats.{kind}_unroutable_details" for kind in ("drop", "return")))
#: The check lists what ends within this time: with so much of it, everything that can be read.
_EVER = "health/checks/certificate-expiration/100/years"
_MOMENT = "%Y-%m-%d %H:%M:%S"

CheckName = Literal["alarms", "local-alarms", "node-is-quorum-critical", "virtual-hosts"]
CHECKS: tuple[CheckName, ...] = ("alarms", "local-alarms", "node-is-quorum-critical", "virtual-hosts")


class Share(msgspec.Struct, frozen=True):
    """So many in use out of so many."""

    used: int
    of: int

    @property
    def percent(self) -> float:
        """0 to 100."""
        return 100 * self.used / self.of


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One node. What it does not tell is None: never zero. Bytes; ``draining``: put into maintenance by somebody.

    RabbitMQ 4.x counts no sockets any more, and 0 files in use means that it could not count them.
    """

    name: str
    running: bool
    draining: bool = False
    partitions: tuple[str, ...] = ()
    memory: Share | None = None
    memory_alarm: bool = False
    disk_free: int | None = None
    disk_limit: int | None = None
    disk_alarm: bool = False
    files: Share | None = None
    sockets: Share | None = None
    processes: Share | None = None


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker says of itself: ``ok`` is None where its version does not know the check; ``named`` is what
    is wrong."""

    name: CheckName
    ok: bool | None
    reason: str = ""
    named: tuple[str, ...] = ()


class VirtualHost(msgspec.Struct, frozen=True, kw_only=True):
    """One virtual host: ``states`` by node; messages that no queue took over the window, None where nobody counts."""

    name: str
    states: dict[str, str]
    dropped: int | None = None
    returned: int | None = None


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """The broker as the node ``asked`` sees it; connections and channels opened per second over :data:`WINDOW`, None
    where nobody counts."""

    version: str
    name: str
    asked: str
    statistics: bool
    nodes: tuple[Node, ...]
    checks: tuple[HealthCheck, ...]
    virtual_hosts: tuple[VirtualHost, ...]
    connections_opened: float | None = None
    channels_opened: float | None = None

    @property
    def major(self) -> int:
        """3 or 4; 0 where the version cannot be read."""
        first = self.version.partition(".")[0]
        return int(first) if first.isdigit() else 0

    def check(self, name: CheckName) -> HealthCheck:
        """One of the health checks."""
        return next(check for check in self.checks if check.name == name)


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate of one TLS listener: when it, or the authority beside it, ends; None where nobody told."""

    node: str
    protocol: str
    port: int
    ends: datetime | None


def read_cluster(api: ManagementApi) -> Cluster:
    """Everything of the cluster over one connection. Raises ProbeError where a part of it cannot be had."""
    overview = api.get("overview", OverviewRow, _sampled(*_OVERVIEW))
    hosts = api.get("vhosts", tuple[VirtualHostRow, ...], _sampled(*_HOST))
    counts, churn = not overview.disable_stats, overview.churn
    columns = ",".join(NodeRow.__struct_fields__)
    return Cluster(
        version=overview.rabbitmq_version,
        name=overview.cluster_name,
        asked=overview.node,
        statistics=counts,
        nodes=tuple(_node(row) for row in api.get("nodes", tuple[NodeRow, ...], {"columns": columns})),
        checks=tuple(_check(api, name) for name in CHECKS),
        virtual_hosts=tuple(_host(row, counts) for row in hosts),
        connections_opened=rise(samples_of(churn.connection_created_details)) if counts else None,
        channels_opened=rise(samples_of(churn.channel_created_details)) if counts else None,
    )


def _sampled(*columns: str) -> dict[str, str]:
    """The query for counters over the window. The broker tells nothing that is younger than one increment, not even
    as the present value: with a minute, what happened in the last one would not be there."""
    age = str(round(WINDOW.total_seconds()))
    kinds = ("lengths", "msg_rates", "data_rates", "node_stats")
    ages = {f"{kind}_{what}": value for kind in kinds for what, value in (("age", age), ("incr", _INCREMENT))}
    return {"columns": ",".join(columns), **ages}


def read_certificates(api: ManagementApi) -> tuple[Certificate, ...]:
    """Every TLS listener of the cluster; empty where there is none.

    The broker's own check knows nothing of the management API's listener: that one is known from our own connection.
    """
    listeners = [one for one in api.get("overview", OverviewRow).listeners if one.encrypted]
    told = {(row.node, row.port): row for row in api.get(_EVER, HealthRow, also=503).expired} if listeners else {}
    return tuple(_certificate(one, told.get((one.node, one.port)), api) for one in listeners)


def _certificate(listener: ListenerRow, told: ExpiringRow | None, api: ManagementApi) -> Certificate:
    ends = _ends(told) if told else api.certificate_ends() if listener.port == api.port else None
    return Certificate(node=listener.node, protocol=listener.protocol, port=listener.port, ends=ends)


def _ends(row: ExpiringRow) -> datetime | None:
    """The first end of them all; None where one of them cannot be read. The hour is told without a leading zero."""
    words = [*_words(row.certfile_expires_on), *_words(row.cacertfile_expires_on)]
    try:
        return min((datetime.strptime(word, _MOMENT).replace(tzinfo=UTC) for word in words), default=None)
    except ValueError:
        return None


def _words(told: tuple[str, ...] | str) -> Iterable[str]:
    return (told,) if isinstance(told, str) else told


def _node(row: NodeRow) -> Node:
    return Node(
        name=row.name,
        running=row.running,
        draining=row.being_drained,
        partitions=row.partitions,
        memory=_share(row.mem_used, row.mem_limit),
        memory_alarm=row.mem_alarm,
        disk_free=_count(row.disk_free),
        disk_limit=_count(row.disk_free_limit),
        disk_alarm=row.disk_free_alarm,
        files=_share(row.fd_used, row.fd_total) if row.fd_used else None,
        sockets=_share(row.sockets_used, row.sockets_total),
        processes=_share(row.proc_used, row.proc_total),
    )


def _share(used: float | str | None, of: float | str | None) -> Share | None:
    known, total = _count(used), _count(of)
    return Share(known, total) if known is not None and total else None


def _count(value: float | str | None) -> int | None:
    return round(value) if isinstance(value, int | float) else None


def _check(api: ManagementApi, name: CheckName) -> HealthCheck:
    try:
        row = api.get(f"health/checks/{name}", HealthRow, also=503)
    except ProbeError as error:
        if error.kind is not ProbeFailure.ABSENT:
            raise
        return HealthCheck(name=name, ok=None)
    alarms = (f"{alarm.get('node', '?')}: {alarm.get('resource', '?')}" for alarm in row.alarms)
    queues = (str(queue.get("name") or queue.get("readable_name") or "?") for queue in row.queues)
    return HealthCheck(
        name=name, ok=row.status == "ok", reason=row.reason, named=(*alarms, *queues, *row.virtual_hosts)
    )


def _host(row: VirtualHostRow, counts: bool) -> VirtualHost:
    traffic = row.message_stats if isinstance(row.message_stats, UnroutableRow) else UnroutableRow()
    return VirtualHost(
        name=row.name,
        states=row.cluster_state if isinstance(row.cluster_state, dict) else {},
        dropped=_new(traffic.drop_unroutable_details) if counts else None,
        returned=_new(traffic.return_unroutable_details) if counts else None,
    )


def _new(series: Series) -> int:
    """How many there were within the window; a counter that began again has counted since."""
    samples = samples_of(series)
    if not samples:
        return 0  # the broker counts, and this never happened
    first, last = samples[0][1], samples[-1][1]
    return last - first if last >= first else last
