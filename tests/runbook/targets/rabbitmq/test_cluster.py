"""The cluster, its certificates and its queues as the target tells of them: a real 3.10, and the contract of 4.x."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from checks import broker as rows
from checks import broker_use as use
from checks import deliveries
from lab.ports import LOOPBACK
from lab.topology import DEAD_LETTERS, QUEUE
from runbook.errors import ActionError, ProbeError, ProbeFailure
from runbook.model import State
from runbook.rows import Check, of
from runbook.settings import BrokerSettings
from runbook.targets.rabbitmq.broker import Broker
from runbook.targets.rabbitmq.cluster import CHECKS, Share
from tests.checks import fakes
from tests.runbook.targets.rabbitmq.killing import step
from tests.runbook.targets.rabbitmq.recorded import ABSENT, NODE, NODES, OVERVIEW, QUEUES, rabbitmq_4
from tests.runbook.targets.servers_network import free_port
from tests.runbook.targets.servers_rabbitmq import RabbitServer, settings_of, until

#: What is asked of the virtual host, the rest is of the cluster.
VIRTUAL_HOST = ("queues/muses", "policies/muses")
EVERY = [
    check
    for module in (rows, use, deliveries)
    for name, check in vars(module).items()
    if name.startswith("check_") and "history" not in of(check).targets
]


def state(check: Check, broker: Broker) -> State:
    return fakes.judged(check, broker=broker).state


@pytest.fixture(scope="module")
def short_of_everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """A server with too little memory and disk, whose certificate ends in twenty days."""
    home = tmp_path_factory.mktemp("short")
    key, cert = home / "key.pem", home / "cert.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "20"]
    subprocess.run(["openssl", *words, "-subj", "/CN=localhost"], check=True, capture_output=True)
    files = "".join(
        f"{part}.certfile = {cert}\n{part}.keyfile = {key}\n{part}.cacertfile = {cert}\n"
        for part in ("ssl_options", "management.ssl")
    )
    ports = f"listeners.ssl.default = {LOOPBACK}:{free_port()}\nmanagement.ssl.port = {free_port()}\n"
    short = "vm_memory_high_watermark.absolute = 10MB\ndisk_free_limit.absolute = 900000GB\n"
    server = RabbitServer(home / "lab", ports + files + f"management.ssl.ip = {LOOPBACK}\n" + short)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def test_a_healthy_node_tells_everything(settings: BrokerSettings) -> None:
    broker = Broker("broker", settings, environment="lab")
    until(lambda: broker.cluster().nodes[0].files and broker.cluster().connections_opened is not None, patience=20)
    cluster = broker.cluster()
    [node] = cluster.nodes
    assert (cluster.version, cluster.major, cluster.statistics, cluster.asked) == ("3.10.8", 3, True, node.name)
    assert (node.running, node.partitions, node.memory_alarm, node.disk_alarm) == (True, (), False, False)
    for share in (node.memory, node.files, node.sockets, node.processes):
        assert share is not None
        assert 0 <= share.percent < 80
    assert node.disk_free is not None
    assert node.disk_limit == 50_000_000
    assert [(check.name, check.ok) for check in cluster.checks] == [(name, True) for name in CHECKS]
    [host] = cluster.virtual_hosts
    assert (host.name, list(host.states.values()), host.returned) == ("muses", ["running"], 0)
    assert cluster.connections_opened is not None


def test_rows_of_a_healthy_server(settings: BrokerSettings) -> None:
    broker = Broker("broker", settings, environment="lab")
    until(lambda: broker.cluster().nodes[0].files and broker.cluster().connections_opened is not None, patience=20)
    assert broker.certificates() == ()
    found = {of(check).id: state(check, broker) for check in EVERY if of(check).id.startswith("BROKER")}
    skipped = {"BROKER-08", "BROKER-11"}
    assert {row for row, is_ in found.items() if is_ is State.SKIPPED} == skipped
    # what other tests of this session did shows in what was opened and what was not routed
    assert {is_ for row, is_ in found.items() if row not in {*skipped, "BROKER-09", "BROKER-10"}} == {State.OK}


def test_a_node_that_is_short_of_everything(short_of_everything: RabbitServer) -> None:
    broker = Broker("broker", settings_of(short_of_everything.place), environment="lab")
    until(lambda: broker.cluster().nodes[0].disk_alarm and broker.cluster().nodes[0].memory_alarm, patience=20)
    [node] = broker.cluster().nodes
    assert (node.memory_alarm, node.disk_alarm) == (True, True)
    assert not broker.cluster().check("alarms").ok
    assert sorted(broker.cluster().check("local-alarms").named) == [f"{node.name}: disk space", f"{node.name}: memory"]
    breached = (rows.check_no_alarms, rows.check_nodes_have_memory, rows.check_nodes_have_disk)
    assert [state(check, broker) for check in breached] == [State.CRITICAL] * 3


def test_certificates_end_on_their_day_and_the_one_that_nobody_tells_of_is_not_green(
    short_of_everything: RabbitServer,
) -> None:
    """RabbitMQ's own check leaves the management API's listener out: over plain HTTP nobody sees that one."""
    place = short_of_everything.place
    broker = Broker("broker", settings_of(place), environment="lab")
    found = {one.protocol: one.ends for one in broker.certificates()}
    ends = datetime.now(UTC) + timedelta(days=20)
    assert found["amqp/ssl"] is not None
    assert abs(found["amqp/ssl"] - ends) < timedelta(hours=1)
    assert found["https"] is None
    assert state(rows.check_certificates_are_valid, broker) is State.WARNING


def test_the_certificate_of_the_connection_itself_is_seen(short_of_everything: RabbitServer) -> None:
    place = short_of_everything.place
    [port] = (one.port for one in _certificates(place) if one.protocol == "https")
    url = f"https://localhost:{port}"
    secure = settings_of(place, management_url=url, cafile=place.home.parent / "cert.pem")
    seen = {one.protocol: one.ends for one in Broker("broker", secure, environment="lab").certificates()}
    assert seen["https"] == seen["amqp/ssl"] is not None


def _certificates(place: Any) -> tuple[Any, ...]:
    return Broker("broker", settings_of(place), environment="lab").certificates()


class TestVersion4:
    """The contract of 4.x: see ``recorded``; no server of that version was asked."""

    def test_what_4_gave_up_is_not_zero(self) -> None:
        with rabbitmq_4() as (broker, _):
            cluster = broker.cluster()
            a, b = cluster.nodes
            assert (cluster.major, a.sockets, a.files) == (4, None, Share(120, 65_536))
            assert (b.running, b.memory, b.disk_free) == (False, None, None)
            assert state(rows.check_nodes_run, broker) is State.CRITICAL
            assert state(rows.check_nodes_have_resources, broker) is State.OK

    def test_files_that_could_not_be_counted_are_not_none(self) -> None:
        blind = [{"name": "rabbit@a", **NODE, "fd_used": 0}]
        with rabbitmq_4({"nodes": blind}) as (broker, _):
            assert state(rows.check_nodes_have_resources, broker) is State.UNKNOWN

    def test_a_disk_that_is_not_watched_is_not_full_of_room(self) -> None:
        words = "disk_free_monitoring_disabled"
        blind = [{"name": "rabbit@a", **NODE, "disk_free": words, "disk_free_limit": words}]
        with rabbitmq_4({"nodes": blind}) as (broker, _):
            assert state(rows.check_nodes_have_disk, broker) is State.UNKNOWN

    def test_a_queue_that_is_down_has_no_totals(self) -> None:
        with rabbitmq_4() as (broker, contract):
            inventory = broker.inventory()
            assert [(queue.name, queue.messages) for queue in inventory.broken] == [("muses.perdida", None)]
            assert (inventory.queues, inventory.messages) == (3, 6)
            assert state(use.check_queues_work, broker) is State.CRITICAL
            asked = [one.query for one in contract.asked if one.path == "/api/queues/muses"]
            assert all(query["disable_stats"] == query["enable_queue_totals"] == "true" for query in asked)

    def test_a_quorum_queue_with_one_node_less(self) -> None:
        with rabbitmq_4() as (broker, _):
            [thin] = broker.inventory().thin
            assert (thin.members, thin.online, thin.majority) == (3, 2, 2)
            assert state(rows.check_quorum_is_safe, broker) is State.WARNING

    def test_mirroring_that_does_nothing_any_more(self) -> None:
        with rabbitmq_4() as (broker, _):
            verdict = fakes.judged(use.check_policies_are_as_declared, broker=broker)
            assert verdict.state is State.WARNING
            assert "mirrors nothing" in str(verdict.summary)

    def test_what_a_policy_says_of_dead_letters_counts(self) -> None:
        with rabbitmq_4() as (broker, _):
            inventory = broker.inventory()
            assert inventory.without_dead_letters == ("muses.perdida",)
            assert [(way.exchange, way.queues, way.leads) for way in inventory.ways] == [("muses.muertos", 1, True)]

    def test_an_exchange_that_is_gone_leads_nowhere(self) -> None:
        with rabbitmq_4({"exchanges/muses/muses.muertos/bindings/source": ABSENT}) as (broker, _):
            assert state(deliveries.check_rejected_messages_are_kept, broker) is State.CRITICAL

    def test_a_policy_that_is_not_shown_is_blind(self) -> None:
        with rabbitmq_4({"policies/muses": []}) as (broker, _), pytest.raises(ProbeError) as caught:
            broker.inventory()
        assert caught.value.kind is ProbeFailure.BLIND

    def test_no_statistics_are_not_no_traffic(self) -> None:
        with rabbitmq_4({"overview": OVERVIEW | {"disable_stats": True}}) as (broker, _):
            assert state(use.check_clients_keep_connections, broker) is State.UNKNOWN
            assert state(use.check_every_message_is_routed, broker) is State.UNKNOWN

    def test_a_check_that_a_version_does_not_know_is_not_passed(self) -> None:
        with rabbitmq_4({"health/checks/virtual-hosts": ABSENT}) as (broker, _):
            assert broker.cluster().check("virtual-hosts").ok is None
            assert state(rows.check_virtual_hosts_run, broker) is State.UNKNOWN

    def test_a_partition(self) -> None:
        parted = [{"name": "rabbit@a", **NODE, "partitions": ["rabbit@b"]}, NODES[0] | {"name": "rabbit@b"}]
        with rabbitmq_4({"nodes": parted}) as (broker, _):
            assert state(rows.check_nodes_run, broker) is State.CRITICAL

    def test_a_virtual_host_that_stopped(self) -> None:
        failed = (503, {"status": "failed", "reason": "Some virtual hosts are down", "virtual-hosts": ["muses"]})
        with rabbitmq_4({"health/checks/virtual-hosts": failed}) as (broker, _):
            assert broker.cluster().check("virtual-hosts").named == ("muses",)
            assert state(rows.check_virtual_hosts_run, broker) is State.CRITICAL

    def test_its_quorum_queues_drop_after_20_deliveries_so_nothing_is_put_back_from_them(self, tmp_path: Path) -> None:
        with rabbitmq_4() as (broker, _):
            putting = Broker("broker", broker._settings, environment="lab", state=tmp_path)
            with pytest.raises(ActionError, match="delivery-limit") as caught:
                putting.perform(step(DEAD_LETTERS, 3))
        assert caught.value.refused

    def test_nothing_is_put_back_under_a_policy_that_is_not_shown(self, tmp_path: Path) -> None:
        with rabbitmq_4({"policies/muses": []}) as (broker, _):
            putting = Broker("broker", broker._settings, environment="lab", state=tmp_path)
            with pytest.raises(ActionError, match=r"policy espejo of queue .* is not shown") as caught:
                putting.perform(step(DEAD_LETTERS, 3))
        assert caught.value.refused

    @pytest.mark.parametrize(
        ("told", "ends"),
        [
            (("2026-12-15 0:34:56",), datetime(2026, 12, 15, 0, 34, 56, tzinfo=UTC)),
            (("2026-12-15 21:18:48", "2026-12-14 9:00:00"), datetime(2026, 12, 14, 9, tzinfo=UTC)),
            (("soon",), None),
        ],
    )
    def test_when_a_certificate_ends(self, told: tuple[str, ...], ends: datetime | None) -> None:
        """Bug: before ten the hour has one digit, and from midnight on the certificate had no end."""
        listener = {"node": "rabbit@a", "protocol": "amqp/ssl", "port": 5671}
        expired = [listener | {"certfile_expires_on": told}]
        answers = {
            "overview": OVERVIEW | {"listeners": [listener]},
            "health/checks/certificate-expiration/100/years": (503, {"status": "failed", "expired": expired}),
        }
        with rabbitmq_4(answers) as (broker, _):
            assert [one.ends for one in broker.certificates()] == [ends]

    @pytest.mark.parametrize("answer", [(200, "<html>"), (503, "<html>"), (500, {"error": "x", "reason": "y"})])
    @pytest.mark.parametrize("path", ["overview", "nodes", "vhosts", "health/checks/alarms", *VIRTUAL_HOST])
    def test_an_answer_that_is_none_is_no_state(self, path: str, answer: tuple[int, Any]) -> None:
        with rabbitmq_4({path: answer}) as (broker, _):
            asked = broker.inventory if path in VIRTUAL_HOST else broker.cluster
            with pytest.raises(ProbeError):
                asked()


def test_queues_of_thousands_are_kept_as_a_few() -> None:
    many = [QUEUES[0] | {"name": f"q{n:04}", "messages": n, "policy": None} for n in range(5_000)]
    with rabbitmq_4({"queues/muses": many}) as (broker, _):
        inventory = broker.inventory()
    assert (inventory.queues, len(inventory.deepest), inventory.deepest[0].name) == (5_000, 20, "q4999")
    assert (inventory.without_count, len(inventory.without_dead_letters)) == (5_000, 20)
    assert QUEUE not in inventory.policy_of
