"""The message broker itself: do its nodes run, and have they what they need to go on?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _broker_advice as advice
from checks import _cluster
from runbook.limits import Limits, Threshold
from runbook.rows import row

if TYPE_CHECKING:
    from runbook.targets.rabbitmq.broker import Broker


@row(
    "BROKER-01",
    source="RabbitMQ: Monitoring (node health); Clustering and Network Partitions",
    es="Los nodos de RabbitMQ funcionan y se ven entre sí",
    settings={"nodes": 1},
    person=advice.NODES,
)
def check_nodes_run(broker: Broker, limits: Limits) -> None:
    """The nodes of RabbitMQ run and see each other.

    A node that is gone takes its queues with it; parts that do not see each other go on apart and lose messages.
    """
    _cluster.nodes(broker.cluster(), limits)


@row(
    "BROKER-02",
    source="RabbitMQ: Memory and Disk Alarms; health checks alarms y local-alarms",
    es="RabbitMQ no tiene alarmas de memoria ni de disco",
    person=advice.ALARMS,
)
def check_no_alarms(broker: Broker, limits: Limits) -> None:
    """RabbitMQ has no alarm of memory or disk.

    While one node has an alarm, no node of the cluster takes messages: reception stands still without an error.
    """
    _cluster.alarms(broker.cluster(), limits)


@row(
    "BROKER-03",
    source="RabbitMQ: Memory Alarms (a 100 % del límite se detienen los publicadores); umbrales del equipo",
    es="Los nodos de RabbitMQ tienen memoria libre",
    threshold=Threshold(warning=80, critical=95, unit="%"),
    person=advice.MEMORY,
)
def check_nodes_have_memory(broker: Broker, limits: Limits) -> None:
    """The nodes of RabbitMQ have memory left.

    At the watermark publishers are stopped: what is close to it will be there with the next lot.
    """
    _cluster.memory(broker.cluster(), limits)


@row(
    "BROKER-04",
    source="RabbitMQ: Disk Alarms (a 100 % del límite se detienen los publicadores); umbrales del equipo",
    es="Los nodos de RabbitMQ tienen disco libre",
    threshold=Threshold(warning=300, critical=150, unit="%", direction="below"),
    person=advice.DISK,
)
def check_nodes_have_disk(broker: Broker, limits: Limits) -> None:
    """The nodes of RabbitMQ have disk left.

    Below the watermark publishers are stopped; on a full disk the broker loses what it was given.
    """
    _cluster.disk(broker.cluster(), limits)


@row(
    "BROKER-05",
    source="RabbitMQ: Production Checklist (open file handles limit); umbrales del equipo",
    es="Los nodos de RabbitMQ tienen archivos, conexiones y procesos libres",
    threshold=Threshold(warning=80, critical=90, unit="%"),
    person=advice.RESOURCES,
)
def check_nodes_have_resources(broker: Broker, limits: Limits) -> None:
    """The nodes of RabbitMQ have files, sockets and processes left.

    A node without file handles takes no connection any more and cannot write its queues.
    """
    _cluster.resources(broker.cluster(), limits)


@row(
    "BROKER-06",
    source="RabbitMQ: health check node-is-quorum-critical; Quorum Queues",
    es="Las colas quórum tienen mayoría, también con un nodo menos",
    person=advice.QUORUM,
)
def check_quorum_is_safe(broker: Broker, limits: Limits) -> None:
    """Quorum queues have their majority, and would with one node less.

    Without a majority a quorum queue takes and gives nothing, on any node.
    """
    _cluster.quorum(broker.cluster(), broker.inventory(), limits)


@row(
    "BROKER-07",
    source="RabbitMQ: health check virtual-hosts",
    es="Los hosts virtuales de RabbitMQ funcionan",
    person=advice.VIRTUAL_HOSTS,
)
def check_virtual_hosts_run(broker: Broker, limits: Limits) -> None:
    """The virtual hosts of RabbitMQ run.

    The node of one whose store failed looks well, and every queue in it is gone.
    """
    _cluster.virtual_hosts(broker.cluster(), limits)


@row(
    "BROKER-08",
    source="RabbitMQ: health check certificate-expiration; práctica común: 30 y 7 días",
    es="Los certificados de RabbitMQ son vigentes",
    threshold=Threshold(warning=timedelta(days=30), critical=timedelta(days=7), direction="below"),
    person=advice.CERTIFICATES,
)
def check_certificates_are_valid(broker: Broker, limits: Limits) -> None:
    """The certificates of RabbitMQ are valid for some time to come.

    On the day one ends no client can connect any more, all at the same moment.
    """
    _cluster.certificates(broker.certificates(), limits)
