"""A healthy broker as its target tells of it, one part of which a test changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from runbook.settings.broker import DeclaredPolicy
from runbook.targets.rabbitmq.cluster import CHECKS, Certificate, Cluster, HealthCheck, Node, Share, VirtualHost
from runbook.targets.rabbitmq.inventory import DeadLetterWay, Inventory, Policy, QueueTotal
from tests.checks import fakes

DEAD = "muses.recepcion.muertos"


def node(name: str = "rabbit@a", **changes: Any) -> Node:
    plain: dict[str, Any] = {
        "running": True,
        "memory": Share(800, 1000),
        "disk_free": 3000,
        "disk_limit": 1000,
        "files": Share(800, 1000),
        "sockets": Share(80, 100),
        "processes": Share(80, 100),
    }
    return Node(name=name, **{**plain, **changes})


def health(name: str, ok: bool | None = False, *named: str) -> tuple[HealthCheck, ...]:
    """All checks, of which one is not well."""
    return tuple(
        HealthCheck(name=each, ok=ok if each == name else True, named=named if each == name else ()) for each in CHECKS
    )


def cluster(*nodes: Node, **changes: Any) -> Cluster:
    """At its limits, and just within them."""
    plain: dict[str, Any] = {
        "version": "3.10.8",
        "name": "rabbit@muses",
        "asked": "rabbit@a",
        "statistics": True,
        "checks": health(""),
        "virtual_hosts": (VirtualHost(name="muses", states={"rabbit@a": "running"}, dropped=0, returned=0),),
        "connections_opened": 1.0,
        "channels_opened": 5.0,
    }
    return Cluster(nodes=nodes or (node(),), **{**plain, **changes})


def total(name: str = "otra", messages: int | None = 0, **changes: Any) -> QueueTotal:
    plain: dict[str, Any] = {"kind": "classic", "state": "running", "ready": messages, "unacknowledged": 0}
    return QueueTotal(name=name, messages=messages, **{**plain, **changes})


def way(**changes: Any) -> DeadLetterWay:
    plain: dict[str, Any] = {"exchange": "muses.muertos", "routing_key": None, "queues": 1, "leads": True}
    return DeadLetterWay(sample=(fakes.QUEUE,), **{**plain, **changes})


def policy(name: str = "techo", **definition: Any) -> Policy:
    return Policy(name=name, pattern=r"^muses\.", definition=definition, queues=1)


def inventory(**changes: Any) -> Inventory:
    plain: dict[str, Any] = {
        "queues": 2,
        "messages": 0,
        "deepest": (),
        "most_unacknowledged": (),
        "broken": (),
        "broken_count": 0,
        "thin": (),
        "thin_count": 0,
        "without_dead_letters": (),
        "without_count": 0,
        "ways": (way(),),
        "policies": (),
        "policy_of": {fakes.QUEUE: None},
    }
    return Inventory(**{**plain, **changes})


class Broker(fakes.Told):
    """The broker, with the names of the lab."""

    watched, dead_letter_names, virtual_host, managed = (fakes.QUEUE,), (DEAD,), "muses", True

    def __init__(self, declared: dict[str, DeclaredPolicy] | None = None, **answers: Any) -> None:
        plain = {"cluster": cluster(), "inventory": inventory(), "certificates": ()}
        super().__init__(**{**plain, **answers})
        self.declared_policies = declared or {}


def certificate(left: timedelta | None) -> Certificate:
    ends = None if left is None else fakes.now() + left
    return Certificate(node="rabbit@a", protocol="amqp/ssl", port=5671, ends=ends)
