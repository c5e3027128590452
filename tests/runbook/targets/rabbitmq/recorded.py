"""RabbitMQ 4.x's management API as a contract: no such server is at hand here.

Written after its source (``rabbit_mgmt_external_stats``: sockets are 0 of 0, files in use 0 where they cannot be
counted; ``rabbit_mgmt_wm_queues``: queues that are down have no totals) and its release notes (classic mirroring gone,
quorum queues drop after 20 deliveries). Served by a real HTTP server; what a test changes it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from runbook.settings import BrokerSettings, Login, Secret
from runbook.targets.rabbitmq.broker import Broker
from tests.runbook.targets.servers_http import Asked, Contract, answering

OK = {"status": "ok"}
ABSENT = (404, {"error": "Object Not Found", "reason": "Not Found"})
OVERVIEW = {
    "management_version": "4.1.4",
    "rates_mode": "basic",
    "product_version": "4.1.4",
    "product_name": "RabbitMQ",
    "rabbitmq_version": "4.1.4",
    "cluster_name": "rabbit@muses",
    "erlang_version": "27.3.4",
    "disable_stats": False,
    "enable_queue_totals": False,
    "default_queue_type": "classic",
    "message_stats": {},
    "churn_rates": {},
    "queue_totals": {},
    "object_totals": {"channels": 0, "connections": 0, "consumers": 0, "exchanges": 8, "queues": 4},
    "statistics_db_event_queue": 0,
    "node": "rabbit@a",
    "listeners": [{"node": "rabbit@a", "protocol": "amqp", "ip_address": "::", "port": 5672, "socket_opts": {}}],
    "contexts": [],
}
NODE = {
    "type": "disc",
    "running": True,
    "being_drained": False,
    "partitions": [],
    "mem_used": 2_000_000_000,
    "mem_limit": 10_000_000_000,
    "mem_alarm": False,
    "mem_calculation_strategy": "rss",
    "disk_free": 90_000_000_000,
    "disk_free_limit": 50_000_000,
    "disk_free_alarm": False,
    "fd_used": 120,
    "fd_total": 65_536,
    "sockets_used": 0,
    "sockets_total": 0,
    "proc_used": 900,
    "proc_total": 1_048_576,
    "uptime": 86_400_000,
    "run_queue": 0,
    "processors": 4,
    "ra_open_file_metrics": {"ra_log_wal": 1, "ra_log_segment_writer": 0},
}
NODES = [{"name": "rabbit@a", **NODE}, {"name": "rabbit@b", "type": "disc", "running": False}]
VHOSTS = [
    {
        "name": "muses",
        "cluster_state": {"rabbit@a": "running"},
        "default_queue_type": "quorum",
        "protected_from_deletion": False,
        "metadata": {"description": "", "tags": [], "default_queue_type": "quorum"},
    }
]
PLAIN = {"arguments": {}, "auto_delete": False, "durable": True, "vhost": "muses", "node": "rabbit@a"}
TOTALS = {"messages": 3, "messages_ready": 2, "messages_unacknowledged": 1}
QUORUM = {"type": "quorum", "arguments": {"x-queue-type": "quorum"}, "exclusive": None, "leader": "rabbit@a"}
QUEUES: list[dict[str, Any]] = [
    {**PLAIN, **TOTALS, "name": "muses.recepcion", "type": "classic", "state": "running", "policy": "espejo"},
    {
        **PLAIN,
        **QUORUM,
        **TOTALS,
        "name": "muses.recepcion.muertos",
        "state": "running",
        "members": ["rabbit@a", "rabbit@b", "rabbit@c"],
        "online": ["rabbit@a", "rabbit@c"],
    },
    {**PLAIN, "name": "muses.perdida", "type": "classic", "state": "down", "exclusive": False},
]
POLICIES = [
    {
        "vhost": "muses",
        "name": "espejo",
        "pattern": "^muses",
        "apply-to": "all",
        "priority": 0,
        "definition": {"ha-mode": "all", "dead-letter-exchange": "muses.muertos"},
    }
]
BINDINGS = [{"source": "muses.muertos", "vhost": "muses", "destination": "muses.recepcion.muertos", "routing_key": ""}]
CRITICAL_QUEUE = {"name": "muses.recepcion.muertos", "virtual_host": "muses", "type": "rabbit_quorum_queue"}
ANSWERS: dict[str, Any] = {
    "overview": OVERVIEW,
    "nodes": NODES,
    "vhosts": VHOSTS,
    "health/checks/alarms": OK,
    "health/checks/local-alarms": OK,
    "health/checks/virtual-hosts": OK,
    "health/checks/node-is-quorum-critical": (
        503,
        {"status": "failed", "reason": "There are quorum queues that would lose…", "queues": [CRITICAL_QUEUE]},
    ),
    "queues/muses": QUEUES,
    "policies/muses": POLICIES,
    "operator-policies/muses": [],
    "exchanges/muses/muses.muertos/bindings/source": BINDINGS,
}


@contextmanager
def rabbitmq_4(changes: Mapping[str, Any] | None = None) -> Iterator[tuple[Broker, Contract]]:
    """The target in front of that server; ``changes`` are other answers by their path."""
    answers = ANSWERS | dict(changes or {})
    with answering(lambda asked: _answer(answers, asked)) as contract:
        reader = Login(user="reader", password=Secret(env="PATH"))
        settings = BrokerSettings(
            management_url=f"http://{contract.netloc}",
            vhost="muses",
            queues=("muses.recepcion",),
            dead_letter_queues=("muses.recepcion.muertos",),
            reader=reader,
            operator=reader,
        )
        yield Broker("broker", settings, environment="lab"), contract


def _answer(answers: Mapping[str, Any], asked: Asked) -> tuple[int, Any]:
    found = answers.get(asked.path.removeprefix("/api/"), ABSENT)
    return found if isinstance(found, tuple) else (200, found)
