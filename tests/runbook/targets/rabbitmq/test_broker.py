"""The broker's probes against a real RabbitMQ, and against all the ways in which one cannot be reached."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pika
import pytest

from lab.topology import DEAD_LETTERS, QUEUE
from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.probes import Readings, reading_through
from runbook.settings import BrokerSettings, Login, Secret
from runbook.targets.rabbitmq.broker import Broker
from tests.runbook.targets.servers_network import fixed_answer, refused_port, silent_port, tls_in_front_of
from tests.runbook.targets.servers_rabbitmq import RabbitServer, client, until

WINDOW = timedelta(seconds=15)


def broker(settings: BrokerSettings | None, **changes: Any) -> Broker:
    if settings is not None:
        settings = msgspec.structs.replace(settings, **changes)
    return Broker("broker", settings, environment="lab")


def failure(ask: Any) -> tuple[ProbeFailure, str, float]:
    began = time.monotonic()
    with pytest.raises(ProbeError) as caught:
        ask()
    return caught.value.kind, str(caught.value), time.monotonic() - began


def publish(channel: pika.adapters.blocking_connection.BlockingChannel, queue: str = QUEUE, count: int = 1) -> None:
    for _ in range(count):
        channel.basic_publish("", queue, b"{}", pika.BasicProperties(delivery_mode=2))


def await_statistics(server: RabbitServer, target: Broker) -> None:
    """Wait until the API has statistics of the queue: it reports when it is awake, and two reports make one."""
    with client(server.place) as channel:

        def reported_twice() -> bool:
            channel.basic_get(QUEUE)  # it wakes the queue up, and finds nothing
            return target.queues(window=WINDOW)[0].source == "management"

        until(reported_twice, patience=15)


def test_a_queue_that_grows_says_how_fast_and_from_what(server: RabbitServer, settings: BrokerSettings) -> None:
    with client(server.place) as channel:
        channel.queue_declare("crece", auto_delete=True)  # its own: the window sees what earlier tests left waiting
        began = time.monotonic()
        for tick in range(1, 61):  # 6 s: 40 messages a second come in, 20 are acknowledged
            publish(channel, "crece", 4)
            for _ in range(2):
                method, _, _ = channel.basic_get("crece")
                channel.basic_ack(method.delivery_tag)
            time.sleep(max(0.0, began + tick / 10 - time.monotonic()))
        [queue] = broker(settings, queues=("crece",)).queues(window=WINDOW)
        channel.queue_delete("crece")
    assert queue.source == "management"
    assert queue.growth_per_minute is not None
    assert queue.arrival_rate is not None
    assert queue.acknowledge_rate is not None
    # the window of 15 s began before the traffic: the rates are means over it
    assert 0 < queue.growth_per_minute <= 20 * 60 * 1.2
    assert queue.arrival_rate > queue.acknowledge_rate > 1
    assert queue.messages > 50
    assert timedelta(seconds=3) < queue.window <= WINDOW
    assert [at for at, _ in queue.samples] == sorted(at for at, _ in queue.samples)


def test_an_idle_queue_does_not_grow_and_has_no_traffic(server: RabbitServer, settings: BrokerSettings) -> None:
    target = broker(settings, queues=("ociosa",))
    with client(server.place) as channel:
        channel.queue_declare("ociosa", auto_delete=True)
        assert target.queues(window=WINDOW)[0].source == "amqp", "one report is no growth"

        def reported_twice() -> bool:
            channel.basic_get("ociosa")  # it wakes the queue up, and finds nothing
            return target.queues(window=WINDOW)[0].source == "management"

        until(reported_twice, patience=15)
        [queue] = target.queues(window=WINDOW)
        channel.queue_delete("ociosa")
    assert queue.messages == queue.ready == queue.unacknowledged == queue.consumers == 0
    assert queue.growth_per_minute == queue.arrival_rate == queue.acknowledge_rate == 0


def test_a_burst_that_is_over_is_no_growth_any_more(server: RabbitServer, settings: BrokerSettings) -> None:
    with client(server.place) as channel:
        channel.queue_declare("de golpe", auto_delete=True)
        target = broker(settings, queues=("de golpe",))
        for _ in range(3):
            publish(channel, "de golpe", 50)
            time.sleep(1.2)
        [burst] = target.queues(window=WINDOW)
        until(lambda: target.queues(window=WINDOW)[0].window > timedelta(seconds=10), patience=15)
        [quiet] = target.queues(window=WINDOW)
        channel.queue_delete("de golpe")
    assert burst.growth_per_minute is not None
    assert quiet.growth_per_minute is not None
    assert quiet.messages == 150
    assert 0 <= quiet.growth_per_minute < burst.growth_per_minute / 2


def test_consumers_and_connections_are_named(server: RabbitServer, settings: BrokerSettings) -> None:
    target = broker(settings)
    assert target.consumers() == ()
    with client(server.place, "replica-01") as channel, client(server.place):
        channel.basic_qos(prefetch_count=7)
        publish(channel, count=9)
        channel.basic_consume(QUEUE, lambda *_: None, consumer_tag="etiqueta")

        def seven_are_held() -> bool:
            channel.connection.process_data_events(0.05)
            return [c.unacknowledged for c in target.consumers()] == [7]

        until(seven_are_held, patience=10)
        [consumer] = target.consumers()
        assert (consumer.queue, consumer.tag, consumer.user) == (QUEUE, "etiqueta", "muses_app")
        assert (consumer.client, consumer.prefetch) == ("replica-01", 7)
        assert [q.consumers for q in target.queues()] == [1]
        assert [q.consumers for q in target.depths()] == [1]
        named = {c.client_name: c for c in target.connections()}
        assert set(named) >= {"replica-01", ""}
        assert named["replica-01"].name == consumer.connection
        connected = named["replica-01"].connected_at
        assert connected is not None
        assert abs(datetime.now(UTC) - connected) < timedelta(minutes=1)


def test_dead_letters_are_counted(server: RabbitServer, settings: BrokerSettings) -> None:
    target = broker(settings)
    with client(server.place) as channel:
        publish(channel)
        method, _, _ = channel.basic_get(QUEUE)
        channel.basic_reject(method.delivery_tag, requeue=False)
        until(lambda: [q.messages for q in target.dead_letters()] == [1], patience=10)
    with pytest.raises(NotConfigured, match=r"environments\.lab\.broker\.dead_letter_queues"):
        broker(settings, dead_letter_queues=()).dead_letters()


def test_all_queues_only_when_asked(server: RabbitServer, settings: BrokerSettings) -> None:
    hostile = "cola/ñ %2F?<script>&\x1b[31m"
    with client(server.place) as channel:
        channel.queue_declare(hostile)
        publish(channel, hostile, 2)
        try:
            names = {q.name for q in broker(settings).queues(watched=False)}
            assert names == {QUEUE, DEAD_LETTERS, hostile}
            strange = broker(settings, queues=(hostile,))
            assert [(q.name, q.ready) for q in strange.depths()] == [(hostile, 2)]
            until(lambda: strange.queues()[0].messages == 2, patience=10)
        finally:
            channel.queue_delete(hostile)


@pytest.mark.parametrize("by_amqp", [False, True])
def test_a_watched_queue_that_is_not_there_is_an_error_that_names_it(settings: BrokerSettings, by_amqp: bool) -> None:
    changes = {"management_url": None} if by_amqp else {}
    kind, said, _ = failure(broker(settings, queues=(QUEUE, "muses.otra"), **changes).queues)
    assert kind is ProbeFailure.ABSENT
    assert "muses.otra in virtual host muses" in said


def test_plain_amqp_where_the_api_is_off(server: RabbitServer, settings: BrokerSettings) -> None:
    page = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n<p>no</p>"
    with client(server.place) as channel, fixed_answer(page) as other:
        publish(channel, count=5)
        until(lambda: channel.queue_declare(QUEUE, passive=True).method.message_count == 5, patience=5)
        for url in (None, f"http://127.0.0.1:{refused_port()}", f"http://127.0.0.1:{other}"):
            [queue] = broker(settings, management_url=url).queues()
            assert (queue.source, queue.messages, queue.unacknowledged) == ("amqp", 5, None)
            assert queue.growth_per_minute == 0
            assert queue.arrival_rate is None
            assert timedelta(seconds=0.9) < queue.window < timedelta(seconds=2)


def test_plain_amqp_sees_growth_between_its_two_samples(server: RabbitServer, settings: BrokerSettings) -> None:
    import threading

    stop = threading.Event()

    def produce() -> None:
        with client(server.place) as channel:
            while not stop.wait(0.02):
                publish(channel, count=2)

    producing = threading.Thread(target=produce)
    producing.start()
    try:
        [queue] = broker(settings, management_url=None).queues()
    finally:
        stop.set()
        producing.join()
    assert queue.growth_per_minute is not None
    assert 20 * 60 < queue.growth_per_minute < 120 * 60


def test_a_silent_api_leaves_amqp_its_own_channel(settings: BrokerSettings) -> None:
    with silent_port() as port:
        target = broker(settings, management_url=f"http://127.0.0.1:{port}")
        with reading_through(Readings()):
            kind, said, took = failure(target.queues)
            assert (kind, took < 3) == (ProbeFailure.SILENT, True), said
            assert failure(target.consumers)[2] < 0.1, "what is known to be silent is not asked again"
            assert [q.source for q in target.depths()] == ["amqp"]


def test_silent_amqp_leaves_the_api_its_own_channel(server: RabbitServer, settings: BrokerSettings) -> None:
    await_statistics(server, broker(settings))
    with silent_port() as port, reading_through(Readings()):
        target = broker(settings, port=port)
        kind, said, took = failure(target.depths)
        assert (kind, took < 3) == (ProbeFailure.SILENT, True), said
        assert [q.source for q in target.queues()] == ["management"]


def test_amqp_that_greets_and_falls_silent(settings: BrokerSettings) -> None:
    start = bytes.fromhex("01000000000000")  # the head of a frame that never comes
    with silent_port(start) as port:
        kind, _, took = failure(broker(settings, port=port).depths)
    assert kind is ProbeFailure.SILENT
    assert took < 3


@pytest.mark.parametrize("request_", ["queues", "depths"])
def test_a_wrong_password_is_denied_and_says_how_to_mend_it(
    settings: BrokerSettings, tmp_path: Path, request_: str
) -> None:
    (tmp_path / "wrong").write_text("not-the-password")
    wrong = Login(user="muses_reader", password=Secret(file=tmp_path / "wrong"))
    kind, said, took = failure(getattr(broker(settings, reader=wrong), request_))
    assert (kind, took < 3) == (ProbeFailure.DENIED, True)
    assert "muses_reader" in said
    assert "not-the-password" not in said


def test_a_user_without_the_tag_is_denied_and_told_the_command(server: RabbitServer, settings: BrokerSettings) -> None:
    app = Login(user="muses_app", password=Secret(file=server.place.secret_file("broker-muses_app")))
    kind, said, _ = failure(broker(settings, reader=app).queues)
    assert kind is ProbeFailure.DENIED
    assert "rabbitmqctl set_user_tags muses_app monitoring" in said


def test_a_secret_that_cannot_be_read_is_denied_and_named(settings: BrokerSettings, tmp_path: Path) -> None:
    lost = Login(user="muses_reader", password=Secret(file=tmp_path / "lost"))
    for ask in (broker(settings, reader=lost).queues, broker(settings, reader=lost).depths):
        kind, said, _ = failure(ask)
        assert kind is ProbeFailure.DENIED
        assert str(tmp_path / "lost") in said


def test_no_access_to_the_virtual_host(settings: BrokerSettings) -> None:
    kind, said, _ = failure(broker(settings, vhost="otro", management_url=None).queues)
    assert kind is ProbeFailure.DENIED
    assert "rabbitmqctl set_permissions -p otro muses_reader" in said
    assert failure(broker(settings, vhost="otro").queues)[0] is ProbeFailure.ABSENT


def test_each_failure_of_the_network_has_its_kind(settings: BrokerSettings) -> None:
    nowhere, unknown = refused_port(), "does-not-exist.invalid"
    tls_to_plain = broker(settings, management_url=f"https://127.0.0.1:{settings.management_url.rpartition(':')[2]}")  # type: ignore[union-attr]
    cases = {
        ProbeFailure.REFUSED: (
            broker(settings, management_url=f"http://127.0.0.1:{nowhere}").consumers,
            broker(settings, port=nowhere).depths,
        ),
        ProbeFailure.DNS: (
            broker(settings, management_url=f"http://{unknown}:15672").queues,
            broker(settings, host=unknown).depths,
        ),
        ProbeFailure.TLS: (tls_to_plain.queues, broker(settings, tls=True).depths),
    }
    for expected, asks in cases.items():
        for ask in asks:
            kind, said, took = failure(ask)
            assert (kind, took < 3) == (expected, True), said


def test_an_answer_that_is_no_rabbitmq_is_broken_not_empty(settings: BrokerSettings) -> None:
    for body in (b"<html>", b'{"name": 3}', b"\xff\xfe"):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        with fixed_answer(answer) as port:
            assert failure(broker(settings, management_url=f"http://127.0.0.1:{port}").queues)[0] is ProbeFailure.BROKEN


def test_tls_is_verified_against_the_authority(settings: BrokerSettings, tmp_path: Path) -> None:
    api = int(settings.management_url.rpartition(":")[2])  # type: ignore[union-attr]
    with tls_in_front_of(api, tmp_path) as (https, authority), tls_in_front_of(settings.port, tmp_path) as (amqps, _):
        secure = {"management_url": f"https://127.0.0.1:{https}", "port": amqps, "tls": True}
        trusting = broker(settings, **secure, cafile=tmp_path / "server.pem")
        assert authority == tmp_path / "server.pem"
        assert [q.name for q in trusting.depths()] == [QUEUE]
        doubting = broker(settings, **secure)
        assert failure(doubting.queues)[0] is ProbeFailure.TLS
        assert failure(doubting.depths)[0] is ProbeFailure.TLS


def test_rights_say_what_is_missing_and_the_command(server: RabbitServer, settings: BrokerSettings) -> None:
    rights = broker(settings).rights()
    assert [(r.identity, r.held) for r in rights] == [("reader", True)] * 2 + [("operator", True)] * 2
    app = Login(user="muses_app", password=Secret(file=server.place.secret_file("broker-muses_app")))
    amqp, api = broker(settings, reader=app, operator=None).rights()
    assert (amqp.held, api.held) == (True, False)
    assert api.mend == "rabbitmqctl set_user_tags muses_app monitoring"
    assert failure(broker(settings, port=refused_port()).rights)[0] is ProbeFailure.REFUSED


def test_a_target_that_is_not_configured_says_the_setting() -> None:
    for request in ("queues", "dead_letters", "consumers", "connections", "depths", "rights"):
        with pytest.raises(NotConfigured, match=r"environments\.lab\.broker"):
            getattr(broker(None), request)()


def test_an_old_backlog_after_a_restart_of_the_broker_is_no_growth(
    server: RabbitServer, settings: BrokerSettings
) -> None:
    with client(server.place) as channel:
        publish(channel, count=300)
    server.stop()
    server.start()

    def seen_by_the_api() -> bool:
        [queue] = broker(settings).queues()
        assert (queue.messages, queue.growth_per_minute) == (300, 0)
        return queue.source == "management"

    until(seen_by_the_api, patience=20)
    assert seen_by_the_api()
