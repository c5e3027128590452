"""BROKER-01 to BROKER-12: healthy, at the limit, beyond it, and blind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks import broker as rows
from checks import broker_use as use
from runbook.errors import ProbeFailure
from runbook.model import State
from runbook.rows import Check, of
from runbook.settings.broker import DeclaredPolicy
from runbook.targets.rabbitmq.cluster import Share, VirtualHost
from runbook.targets.rabbitmq.inventory import Quorum
from tests.checks import fakes
from tests.checks.brokers import Broker, certificate, cluster, health, inventory, node, policy, total

OK, W, C, U, S = State.OK, State.WARNING, State.CRITICAL, State.UNKNOWN, State.SKIPPED
DAY = timedelta(days=1)
EVERY = [check for module in (rows, use) for name, check in vars(module).items() if name.startswith("check_")]


def host(**changes: Any) -> VirtualHost:
    return VirtualHost(**{"name": "muses", "states": {"rabbit@a": "running"}, "dropped": 0, "returned": 0, **changes})


def nodes(*given: Any, **changes: Any) -> dict[str, Any]:
    return {"cluster": cluster(*given, **changes)}


def one(**changes: Any) -> dict[str, Any]:
    return nodes(node(**changes))


def quorum(online: int, members: int = 3) -> dict[str, Any]:
    return {"inventory": inventory(thin=(Quorum(name="q", members=members, online=online),), thin_count=1)}


CASES: list[tuple[Check, dict[str, Any], State, str]] = [
    (rows.check_nodes_run, {}, OK, "rabbit@a runs"),
    (rows.check_nodes_run, nodes(node(), node("rabbit@b", running=False)), C, "rabbit@b does not run"),
    (rows.check_nodes_run, one(partitions=("rabbit@b",)), C, "rabbit@a does not see rabbit@b"),
    (rows.check_nodes_run, one(draining=True), W, "in maintenance"),
    (rows.check_no_alarms, {}, OK, ""),
    (rows.check_no_alarms, one(memory_alarm=True), C, "takes no messages: memory alarm"),
    (rows.check_no_alarms, one(disk_alarm=True), C, "disk alarm"),
    (rows.check_no_alarms, nodes(checks=health("alarms", False, "rabbit@b: disk")), C, "alarms fails: rabbit@b: disk"),
    (rows.check_no_alarms, nodes(checks=health("local-alarms", None)), U, "does not know the health check"),
    (rows.check_nodes_have_memory, {}, OK, ""),
    (rows.check_nodes_have_memory, one(memory=Share(801, 1000)), W, "80.1%"),
    (rows.check_nodes_have_memory, one(memory=Share(951, 1000)), C, "95.1%"),
    (rows.check_nodes_have_memory, one(memory=None), U, "does not tell its mem_used"),
    (rows.check_nodes_have_disk, {}, OK, ""),
    (rows.check_nodes_have_disk, one(disk_free=2999), W, "2999 B free"),
    (rows.check_nodes_have_disk, one(disk_free=1499), C, "stops publishers at 1000 B"),
    (rows.check_nodes_have_disk, one(disk_limit=None), U, "does not tell its disk_free"),
    (rows.check_nodes_have_resources, {}, OK, ""),
    (rows.check_nodes_have_resources, one(files=Share(801, 1000)), W, "(fd)"),
    (rows.check_nodes_have_resources, one(sockets=Share(91, 100)), C, "(sockets)"),
    (rows.check_nodes_have_resources, one(processes=Share(91, 100)), C, "(proc)"),
    (rows.check_nodes_have_resources, one(files=None), U, "does not tell its fd_used"),
    (rows.check_nodes_have_resources, one(sockets=None), U, "does not tell its sockets_used"),
    (rows.check_nodes_have_resources, nodes(node(sockets=None), version="4.1.0"), OK, ""),
    (rows.check_quorum_is_safe, {}, OK, ""),
    (rows.check_quorum_is_safe, quorum(online=2), W, "with one less it stops"),
    (rows.check_quorum_is_safe, quorum(online=1), C, "no majority"),
    (rows.check_quorum_is_safe, nodes(checks=health("node-is-quorum-critical", False, "q")), W, "fails: q"),
    (rows.check_quorum_is_safe, nodes(checks=health("node-is-quorum-critical", None)), U, ""),
    (rows.check_virtual_hosts_run, {}, OK, ""),
    (rows.check_virtual_hosts_run, nodes(virtual_hosts=(host(states={"rabbit@b": "stopped"}),)), C, "rabbit@b"),
    (rows.check_virtual_hosts_run, nodes(virtual_hosts=(host(states={}),)), C, ""),
    (rows.check_virtual_hosts_run, nodes(checks=health("virtual-hosts", False, "muses")), C, "fails: muses"),
    (rows.check_certificates_are_valid, {}, S, "no TLS listener"),
    (rows.check_certificates_are_valid, {"certificates": (certificate(31 * DAY),)}, OK, "amqp/ssl:5671"),
    (rows.check_certificates_are_valid, {"certificates": (certificate(29 * DAY),)}, W, ""),
    (rows.check_certificates_are_valid, {"certificates": (certificate(-DAY),)}, C, ""),
    (
        rows.check_certificates_are_valid,
        {"certificates": (certificate(None), certificate(99 * DAY))},
        U,
        "does not say",
    ),
    (use.check_clients_keep_connections, {}, OK, ""),
    (use.check_clients_keep_connections, nodes(connections_opened=1.01), W, "New connections"),
    (use.check_clients_keep_connections, nodes(connections_opened=11.0), C, "New connections"),
    (use.check_clients_keep_connections, nodes(channels_opened=5.01), W, "New channels"),
    (use.check_clients_keep_connections, nodes(channels_opened=None), U, "does not count"),
    (use.check_every_message_is_routed, {}, OK, ""),
    (use.check_every_message_is_routed, nodes(virtual_hosts=(host(dropped=1),)), W, "1 messages dropped"),
    (use.check_every_message_is_routed, nodes(virtual_hosts=(host(returned=101),)), C, "101 messages given back"),
    (use.check_every_message_is_routed, nodes(virtual_hosts=(host(dropped=None),)), U, "does not count"),
    (use.check_every_message_is_routed, nodes(virtual_hosts=(host(name="otro"),)), U, "does not count"),
    (use.check_queues_work, {}, OK, "2 queues work"),
    (
        use.check_queues_work,
        {"inventory": inventory(broken=(total("q", None, state="down"),), broken_count=1)},
        C,
        "q is down",
    ),
]


@pytest.mark.parametrize(("check", "told", "state", "said"), CASES)
def test_state(check: Check, told: dict[str, Any], state: State, said: str) -> None:
    verdict = fakes.judged(check, broker=Broker(**told))
    assert verdict.state is state, verdict
    assert said in str(verdict.summary), str(verdict.summary)


@pytest.mark.parametrize("check", EVERY, ids=lambda check: of(check).id)
@pytest.mark.parametrize("kind", [ProbeFailure.DENIED, ProbeFailure.BLIND])
def test_what_cannot_be_seen_is_never_ok(check: Check, kind: ProbeFailure) -> None:
    blind = dict.fromkeys(("cluster", "inventory", "certificates"), fakes.failing(kind, "broker"))
    with pytest.raises(type(blind["cluster"])):
        fakes.judged(check, broker=Broker({"techo": DeclaredPolicy()}, **blind))


@pytest.mark.parametrize("check", EVERY, ids=lambda check: of(check).id)
def test_every_row_says_what_a_person_does(check: Check) -> None:
    row = of(check)
    assert row.person is not None
    assert "`" in str(row.person)
    assert row.why is not None
    assert row.source


def test_a_cluster_with_fewer_nodes_than_it_should_have() -> None:
    verdict = fakes.judged(
        rows.check_nodes_run, settings={"nodes": 3}, broker=Broker(**nodes(node(), node("rabbit@b")))
    )
    assert (verdict.state, str(verdict.summary)) == (C, "2 of the 3 nodes run")


class TestPolicies:
    """BROKER-11."""

    WANTED = DeclaredPolicy(pattern=r"^muses\.", definition={"max-length": 100}, queues=(fakes.QUEUE,))

    def verdict(self, *found: Any, version: str = "3.10.8", in_force: str | None = "techo", **declared: Any) -> Any:
        seen = inventory(policies=found, policy_of={fakes.QUEUE: in_force})
        broker = Broker(declared, inventory=seen, cluster=cluster(version=version))
        return fakes.judged(use.check_policies_are_as_declared, broker=broker)

    def test_none_is_declared(self) -> None:
        verdict = self.verdict()
        assert (verdict.state, "broker.policies" in str(verdict.summary)) == (S, True)

    def test_as_declared(self) -> None:
        assert self.verdict(policy(**{"max-length": 100, "expires": 5}), techo=self.WANTED).state is OK

    @pytest.mark.parametrize(
        ("found", "in_force", "said"),
        [
            ((), "techo", "There is no policy techo"),
            ((policy(**{"max-length": 99}),), "techo", "max-length 99, declared is 100"),
            ((policy(),), "techo", "max-length —, declared is 100"),
            ((policy(**{"max-length": 100}),), "otra", f"not in force for {fakes.QUEUE}: otra is"),
        ],
    )
    def test_what_differs(self, found: tuple[Any, ...], in_force: str, said: str) -> None:
        verdict = self.verdict(*found, in_force=in_force, techo=self.WANTED)
        assert verdict.state is C
        assert said in str(verdict.summary)

    def test_another_pattern(self) -> None:
        wanted = DeclaredPolicy(pattern="^otra$")
        assert "declared is ^otra$" in str(self.verdict(policy(), techo=wanted).summary)

    @pytest.mark.parametrize(("version", "state"), [("3.13.7", S), ("4.0.0", W)])
    def test_mirroring_does_nothing_since_4(self, version: str, state: State) -> None:
        assert self.verdict(policy("espejo", **{"ha-mode": "all"}), version=version).state is state
