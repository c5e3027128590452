"""How the broker is used: who connects to it, what it cannot deliver, and whether it is set up as the site says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks import _broker_advice as advice
from checks import _broker_rules, _cluster
from runbook.limits import Limits, Threshold
from runbook.rows import row

if TYPE_CHECKING:
    from runbook.targets.rabbitmq.broker import Broker


@row(
    "BROKER-09",
    source="RabbitMQ: Connections (high connection churn); umbrales del equipo: una por segundo",
    es="Los clientes de RabbitMQ conservan sus conexiones y canales",
    threshold=Threshold(warning=60, critical=600, unit="1/min"),
    settings={"channels_warning": 300, "channels_critical": 3000},
    person=advice.CHURN,
)
def check_clients_keep_connections(broker: Broker, limits: Limits) -> None:
    """The clients of RabbitMQ keep their connections and channels.

    One that opens a connection for every message costs the broker more than the message, until it has no handles.
    """
    _cluster.churn(broker.cluster(), limits)


@row(
    "BROKER-10",
    source="RabbitMQ: Publishers (unroutable messages)",
    es="Ningún mensaje se pierde por falta de ruta",
    threshold=Threshold(warning=0, critical=100, unit="messages"),
    person=advice.UNROUTABLE,
)
def check_every_message_is_routed(broker: Broker, limits: Limits) -> None:
    """Every message is taken by a queue.

    What no queue takes is dropped without an error: the subsystem believes that it was received.
    """
    hosts = broker.cluster().virtual_hosts
    _cluster.unroutable(next((host for host in hosts if host.name == broker.virtual_host), None), limits)


@row(
    "BROKER-11",
    source="archivo del sitio (broker.policies); RabbitMQ 4.0: Classic Queue Mirroring was removed",
    es="Las políticas de RabbitMQ son las que el sitio declara",
    person=advice.POLICIES,
)
def check_policies_are_as_declared(broker: Broker, limits: Limits) -> None:
    """The policies of RabbitMQ are as the site declares them.

    A limit or a way for dead letters that somebody took off shows only on the day it is needed.
    """
    _broker_rules.policies(broker.declared_policies, broker.cluster(), broker.inventory(), limits)


@row(
    "BROKER-12",
    source="RabbitMQ: Queues (estado down, crashed o minority)",
    es="Todas las colas de RabbitMQ trabajan",
    person=advice.QUEUES,
)
def check_queues_work(broker: Broker, limits: Limits) -> None:
    """All queues of RabbitMQ are at work.

    What is in a queue that is down can be neither read nor added to, and no length of it is told.
    """
    _broker_rules.states(broker.inventory(), limits)
