"""Rows of the broker and its queues on a real RabbitMQ, each in a state in which it must speak up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from checks import broker as rows
from checks import broker_use as use
from checks import deliveries
from lab.place import Place
from lab.topology import DEAD_LETTER_EXCHANGE
from runbook.model import State, Verdict
from runbook.rows import Check
from runbook.settings import BrokerSettings
from runbook.settings.broker import DeclaredPolicy
from runbook.targets.rabbitmq.api import ManagementApi
from runbook.targets.rabbitmq.broker import Broker
from tests.checks import fakes
from tests.runbook.targets.servers_rabbitmq import RabbitServer, client, settings_of, until

NAME = "muses.prueba"
KEPT = {"x-dead-letter-exchange": DEAD_LETTER_EXCHANGE}
BREACHED = (State.WARNING, State.CRITICAL)


@pytest.fixture
def channel(rabbit_server: RabbitServer) -> Iterator[BlockingChannel]:
    """A channel of the services' user, in whose virtual host one queue more stands."""
    with client(rabbit_server.place) as made:
        made.queue_declare(NAME, durable=True, arguments=KEPT)
        yield made
    with client(rabbit_server.place) as made:
        made.queue_delete(NAME)


@pytest.fixture
def broker(rabbit_server: RabbitServer, channel: BlockingChannel) -> Broker:
    return target(rabbit_server.place)


def target(place: Place, **changes: Any) -> Broker:
    return Broker("broker", settings_of(place, queues=(NAME,), **changes), environment="lab")


def judged(check: Check, broker: Broker, **settings: Any) -> Verdict:
    """The row's verdict by its own limits, with some of its other numbers changed."""
    verdict: Verdict = fakes.judged(check, settings=settings, broker=broker)
    return verdict


def becomes(state: State, check: Check, broker: Broker) -> None:
    """Statistics come a second late: the row must say so within some."""
    until(lambda: judged(check, broker).state is state, patience=15)


def publish(channel: BlockingChannel, count: int = 1, **properties: Any) -> None:
    for _ in range(count):
        channel.basic_publish("", NAME, b"{}", pika.BasicProperties(**properties))


@contextmanager
def policy(settings: BrokerSettings, name: str, definition: str) -> Iterator[None]:
    """A policy set by the operator, as a person would; gone at the end."""
    from http.client import HTTPConnection

    assert settings.operator is not None
    api = ManagementApi("broker", settings.management_url or "", settings, settings.operator)
    headers = {"Authorization": api._authorization(), "content-type": "application/json"}
    connection = HTTPConnection("127.0.0.1", api.port)
    try:
        for method, body in (("PUT", definition), ("DELETE", None)):
            connection.request(method, f"/api/policies/muses/{name}", body, headers)
            assert connection.getresponse().read() == b""
            if method == "PUT":
                yield
    finally:
        connection.close()


def test_what_no_queue_takes_is_counted(broker: Broker, channel: BlockingChannel) -> None:
    before = broker.cluster().virtual_hosts[0].dropped
    channel.basic_publish("", "muses.nadie", b"{}")
    until(lambda: broker.cluster().virtual_hosts[0].dropped != before, patience=15)
    assert judged(use.check_every_message_is_routed, broker).state in BREACHED


def test_a_queue_that_throws_away_what_it_rejects(rabbit_server: RabbitServer, channel: BlockingChannel) -> None:
    broker = Broker("broker", settings_of(rabbit_server.place, queues=("muses.sin",)), environment="lab")
    channel.queue_declare("muses.sin")
    try:
        assert judged(deliveries.check_rejected_messages_are_kept, broker).state is State.CRITICAL
        settings = settings_of(rabbit_server.place)
        way = '{"pattern": "^muses.sin$", "apply-to": "queues", "definition": {"dead-letter-exchange": "{}"}}'
        with policy(settings, "via", way.replace("{}", DEAD_LETTER_EXCHANGE)):
            until(lambda: judged(deliveries.check_rejected_messages_are_kept, broker).state is State.OK, patience=5)
        with policy(settings, "via", way.replace("{}", "muses.nada")):
            led = "muses.nada leads nowhere"
            until(lambda: led in str(judged(deliveries.check_rejected_messages_are_kept, broker).summary), patience=5)
            assert judged(deliveries.check_rejected_messages_are_kept, broker).state is State.CRITICAL
    finally:
        channel.queue_delete("muses.sin")


def test_policies_against_what_is_declared(rabbit_server: RabbitServer, channel: BlockingChannel) -> None:
    wanted = {"techo": DeclaredPolicy(pattern="^muses", definition={"max-length": 100}, queues=(NAME,))}
    broker = target(rabbit_server.place, policies=wanted)
    assert "no policy techo" in str(judged(use.check_policies_are_as_declared, broker).summary)
    found = '{"pattern": "^muses", "apply-to": "queues", "definition": {"max-length": %d}}'
    with policy(settings_of(rabbit_server.place), "techo", found % 100):
        until(lambda: judged(use.check_policies_are_as_declared, broker).state is State.OK, patience=5)
    with policy(settings_of(rabbit_server.place), "techo", found % 7):
        until(lambda: "max-length 7" in str(judged(use.check_policies_are_as_declared, broker).summary), patience=5)
        assert judged(use.check_policies_are_as_declared, broker).state is State.CRITICAL


def test_old_messages_and_nobody_who_consumes(broker: Broker, channel: BlockingChannel) -> None:
    publish(channel, timestamp=round(time.time()) - 20 * 60)
    becomes(State.WARNING, deliveries.check_messages_do_not_wait_long, broker)
    becomes(State.CRITICAL, deliveries.check_queues_have_consumers, broker)


def test_a_deep_queue_that_nobody_watches_and_one_consumer_that_holds_all(
    rabbit_server: RabbitServer, channel: BlockingChannel
) -> None:
    broker = Broker("broker", settings_of(rabbit_server.place), environment="lab")
    publish(channel, 1_001)
    until(lambda: [q.name for q in broker.inventory().deepest][:1] == [NAME], patience=10)
    assert broker.inventory().deepest[0].messages == 1_001
    channel.basic_consume(NAME, lambda *_: None)  # without a prefetch it is given everything
    channel.connection.process_data_events(0.2)
    until(lambda: judged(deliveries.check_consumers_hold_few, broker).state is State.WARNING, patience=10)


def test_a_message_that_is_given_back_again_and_again(
    rabbit_server: RabbitServer, broker: Broker, channel: BlockingChannel
) -> None:
    stop = threading.Event()

    def loop() -> None:
        with client(rabbit_server.place) as looping:
            while not stop.wait(0.005):
                method, _, _ = looping.basic_get(NAME)
                if method is not None:
                    looping.basic_nack(method.delivery_tag or 0, requeue=True)

    publish(channel)
    looping = threading.Thread(target=loop)
    looping.start()
    try:
        becomes(State.CRITICAL, deliveries.check_messages_are_delivered_once, broker)
    finally:
        stop.set()
        looping.join()


def test_clients_that_connect_for_every_message(rabbit_server: RabbitServer, broker: Broker) -> None:
    before = broker.cluster().connections_opened or 0.0
    for _ in range(15):
        with client(rabbit_server.place):
            pass
    until(lambda: (broker.cluster().connections_opened or 0.0) > before, patience=15)
    assert judged(use.check_clients_keep_connections, broker, channels_warning=0.1).state in BREACHED


def test_rows_of_the_nodes_show_what_the_server_says(broker: Broker) -> None:
    until(lambda: judged(rows.check_nodes_have_resources, broker).state is State.OK, patience=15)
    for check in (rows.check_nodes_run, rows.check_no_alarms, rows.check_quorum_is_safe, rows.check_virtual_hosts_run):
        assert judged(check, broker).state is State.OK
    few = judged(rows.check_nodes_run, broker, nodes=2)
    assert (few.state, str(few.summary)) == (State.CRITICAL, "1 of the 2 nodes run")
