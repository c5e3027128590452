"""Putting dead letters back, on a real RabbitMQ: what goes back and how, what stays, and what makes it stop."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pika
import pytest

from lab.topology import DEAD_LETTERS, QUEUE
from runbook.errors import ActionError
from runbook.model import Effect, Step
from runbook.settings import BrokerSettings
from runbook.settings.broker import ReplaySettings
from runbook.targets.rabbitmq.broker import Broker
from runbook.targets.rabbitmq.ledger import Ledger, file_name
from runbook.text import text
from tests.runbook.targets.rabbitmq.consuming import bodies_in, bury, dead, working
from tests.runbook.targets.servers_rabbitmq import RabbitServer, client, login_of, until

QUICK = ReplaySettings(
    canary=2, watch=timedelta(seconds=0.1), patience=timedelta(seconds=2), per_second=2000.0, max_deaths=2
)


def target(settings: BrokerSettings, state: Path, **changes: Any) -> Broker:
    plain = {"replay": QUICK, **changes}
    return Broker("broker", msgspec.structs.replace(settings, **plain), environment="lab", state=state)


def perform(broker: Broker, messages: int, most: int = 500, queue: str = DEAD_LETTERS) -> dict[str, Any]:
    step = Step(
        what=text("…"),
        target="broker",
        operation="replay",
        arguments={"queue": queue, "most": most},
        fingerprint={"messages": messages},
        effect=Effect.CHANGE,
    )
    return broker.perform(step)


def refused(broker: Broker, messages: int, queue: str = DEAD_LETTERS) -> str:
    with pytest.raises(ActionError) as caught:
        perform(broker, messages, queue=queue)
    assert caught.value.refused, str(caught.value)
    return str(caught.value)


def stopped(broker: Broker, messages: int) -> str:
    with pytest.raises(ActionError) as caught:
        perform(broker, messages)
    assert not caught.value.refused, str(caught.value)
    assert "None is lost" in str(caught.value)
    return str(caught.value)


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def test_all_go_back_with_their_headers_and_properties(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path
) -> None:
    def given(number: int) -> pika.BasicProperties:
        return pika.BasicProperties(
            content_type="application/json",
            delivery_mode=1,
            priority=3,
            correlation_id=f"c-{number}",
            timestamp=1_700_000_000,
            type="inscripcion",
            app_id="recepcion",
            user_id="muses_app",
            headers={"lote": number, "anidado": {"a": [1, "x"]}, "CC": ["muses.otra"]},
        )

    with client(server.place) as channel:
        channel.queue_declare("muses.otra", auto_delete=False)
    bury(server.place, numbered(6), properties=given)
    bodies_in(server.place, "muses.otra")
    with working(server.place) as worker:
        result = perform(target(settings, tmp_path), 6)
        until(lambda: len(worker.taken) == 6, patience=10)
    assert (result["put_back"], result["held"], result["after"]) == (6, {}, {"messages": 0})
    assert worker.bodies == numbered(6)
    for number, (properties, _) in enumerate(worker.taken):
        kept = ("content_type", "priority", "correlation_id", "timestamp", "type", "app_id")
        assert [getattr(properties, name) for name in kept] == [getattr(given(number), name) for name in kept]
        assert (properties.delivery_mode, properties.user_id) == (2, None)
        headers = properties.headers or {}
        assert (headers["lote"], headers["anidado"]) == (number, {"a": [1, "x"]})
        assert (headers["x-muses-replays"], headers["x-muses-user-id"]) == (1, "muses_app")
        assert headers["x-muses-cc"] == ["muses.otra"]
        assert headers["x-death"][0]["queue"] == QUEUE
    with client(server.place) as channel:
        assert dead(channel) == 0
        assert channel.queue_delete("muses.otra").method.message_count == 0, "a copy went where CC says"


def test_no_more_than_asked_for_and_the_rest_stays_in_its_order(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path
) -> None:
    bury(server.place, numbered(5))
    with working(server.place) as worker:
        assert perform(target(settings, tmp_path), 5, most=3)["put_back"] == 3
        until(lambda: len(worker.taken) == 3, patience=10)
    assert worker.bodies == numbered(3)
    assert bodies_in(server.place, DEAD_LETTERS) == numbered(5)[3:]


def test_it_stops_at_the_canary_when_the_cause_is_not_gone(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path
) -> None:
    bury(server.place, numbered(8))
    with working(server.place, rejects=numbered(8)) as worker:
        said = stopped(target(settings, tmp_path), 8)
    assert re.search("Stopped after [12] of 8", said), said
    assert "new ones came" in said
    assert worker.taken == []
    assert sorted(bodies_in(server.place, DEAD_LETTERS)) == numbered(8)


def test_one_that_came_back_is_not_put_back_again(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path
) -> None:
    bury(server.place, numbered(3))
    with working(server.place, rejects=[b"0"]):
        stopped(target(settings, tmp_path), 3)
    with working(server.place) as worker, client(server.place) as channel:
        left = dead(channel)
        result = perform(target(settings, tmp_path), left)
        until(lambda: len(worker.taken) == left - 1, patience=10)
    assert result["held"] == {"they were put back before and came again": 1}
    assert bodies_in(server.place, DEAD_LETTERS) == [b"0"]


def test_it_stops_when_a_new_one_comes_while_it_is_at_work(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path
) -> None:
    def come() -> None:
        with client(server.place) as late:
            late.basic_publish("", DEAD_LETTERS, b"nuevo")

    slow = msgspec.structs.replace(QUICK, per_second=20.0, watch=timedelta(0))
    bury(server.place, numbered(40))
    with working(server.place) as worker:
        late = threading.Timer(0.5, come)
        late.start()
        said = stopped(target(settings, tmp_path, replay=slow), 40)
        late.join()
    assert "1 new ones came" in said
    assert sorted({*worker.bodies, *bodies_in(server.place, DEAD_LETTERS)}) == sorted([*numbered(40), b"nuevo"])


@pytest.mark.parametrize(
    ("properties", "queue", "reason"),
    [
        (None, QUEUE, "nothing says which queue they come from"),
        (None, "muses.ajena", "they come from muses.ajena, which the site does not name"),
        ({"x-muses-replays": 1}, QUEUE, "they were put back before and came again"),
        (
            {"x-death": [{"queue": QUEUE, "reason": "rejected", "count": 2, "exchange": "", "routing-keys": [QUEUE]}]},
            QUEUE,
            "they died more than 2 times",
        ),
        (
            {"x-death": [{"queue": DEAD_LETTERS, "reason": "expired", "count": 1, "exchange": "", "routing-keys": []}]},
            QUEUE,
            f"they went in a circle: they died in {DEAD_LETTERS} too",
        ),
    ],
)
def test_what_must_stay_is_held_and_put_where_it_was(
    server: RabbitServer,
    settings: BrokerSettings,
    tmp_path: Path,
    properties: dict[str, Any] | None,
    queue: str,
    reason: str,
) -> None:
    def given(number: int) -> pika.BasicProperties:
        return pika.BasicProperties(delivery_mode=2, message_id=f"h-{number}", headers=properties)

    with client(server.place) as channel:
        channel.queue_declare("muses.ajena", arguments={"x-dead-letter-exchange": "muses.muertos"})
        if properties is None and queue == QUEUE:
            channel.basic_publish("", DEAD_LETTERS, b"held", given(0))
        else:
            bury(server.place, [b"held"], queue, given)
        bury(server.place, [b"free"])
        with working(server.place) as worker:
            result = perform(target(settings, tmp_path), 2)
            until(lambda: worker.bodies == [b"free"], patience=10)
        assert result["held"] == {reason: 1}
        assert bodies_in(server.place, DEAD_LETTERS) == [b"held"]
        channel.queue_delete("muses.ajena")


def test_when_none_can_be_put_back_the_step_fails_and_says_why(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path
) -> None:
    with client(server.place) as channel:
        channel.basic_publish("", DEAD_LETTERS, b"held")
        assert "nothing says which queue" in stopped(target(settings, tmp_path), 1)
        until(lambda: dead(channel) == 1, patience=5)


def test_a_queue_that_changed_since_the_plan_is_refused(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path
) -> None:
    bury(server.place, numbered(2))
    assert "holds 2 messages and held 3" in refused(target(settings, tmp_path), 3)
    assert bodies_in(server.place, DEAD_LETTERS) == numbered(2)


def test_it_needs_an_operator_and_somebody_who_consumes(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path
) -> None:
    bury(server.place, numbered(2))
    assert "broker.operator" in refused(target(settings, tmp_path, operator=None), 2)
    assert "broker.management_url" in refused(target(settings, tmp_path, management_url=None), 2)
    assert f"nobody consumes {QUEUE}" in stopped(target(settings, tmp_path), 2)
    assert bodies_in(server.place, DEAD_LETTERS) == numbered(2)


def test_an_operator_without_the_right_is_told_which(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path
) -> None:
    bury(server.place, numbered(2))
    reader = login_of(server.place, "muses_reader")
    with working(server.place):
        said = stopped(target(settings, tmp_path, operator=reader), 2)
    assert f"read on {DEAD_LETTERS} and write on amq.default" in said
    assert bodies_in(server.place, DEAD_LETTERS) == numbered(2)


def test_a_canary_that_nobody_takes_stops_it(server: RabbitServer, settings: BrokerSettings, tmp_path: Path) -> None:
    bury(server.place, numbered(4))
    short = msgspec.structs.replace(QUICK, patience=timedelta(seconds=0.3))
    with client(server.place) as stuck:
        stuck.basic_qos(prefetch_count=1)
        stuck.basic_consume(QUEUE, lambda *_: None)  # takes one and does nothing with it
        said = stopped(target(settings, tmp_path, replay=short), 4)
    assert "were not taken in time" in said
    assert sorted(bodies_in(server.place, DEAD_LETTERS) + bodies_in(server.place, QUEUE)) == numbered(4)


def test_a_queue_that_takes_no_more_loses_nothing(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path
) -> None:
    full = {"x-max-length": 1, "x-overflow": "reject-publish", "x-dead-letter-exchange": "muses.muertos"}
    with client(server.place) as channel:
        channel.queue_declare("muses.llena", arguments=full)
        bury(server.place, [b"0"], "muses.llena")
        bury(server.place, [b"1"], "muses.llena")
        channel.basic_publish("", "muses.llena", b"in the way")
        idle = client(server.place)
        with idle as consumer:
            consumer.basic_qos(prefetch_count=1)
            consumer.basic_consume("muses.llena", lambda *_: None)
            until(lambda: channel.queue_declare("muses.llena", passive=True).method.message_count == 0, patience=5)
            channel.basic_publish("", "muses.llena", b"in the way too")
            said = stopped(target(settings, tmp_path, queues=(QUEUE, "muses.llena")), 2)
        channel.queue_delete("muses.llena")
    assert "takes no more" in said
    assert sorted(bodies_in(server.place, DEAD_LETTERS)) == [b"0", b"1"]


def test_a_queue_that_throws_its_oldest_away_is_refused(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path
) -> None:
    with client(server.place) as channel:
        channel.queue_declare("muses.corta", arguments={"x-max-length": 10})
        try:
            said = refused(target(settings, tmp_path, queues=("muses.corta",)), 0)
        finally:
            channel.queue_delete("muses.corta")
    assert "muses.corta throws its oldest message away" in said
    assert "there is no queue muses.nada" in refused(target(settings, tmp_path), 0, queue="muses.nada")


def test_a_queue_that_counts_deliveries_is_refused_and_one_that_does_not_is_not(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path
) -> None:
    with client(server.place) as channel:
        channel.queue_declare("muses.q1", durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": 5})
        channel.queue_declare("muses.q2", durable=True, arguments={"x-queue-type": "quorum"})
        try:
            assert "delivery-limit" in refused(target(settings, tmp_path), 0, queue="muses.q1")
            assert perform(target(settings, tmp_path), 0, queue="muses.q2")["put_back"] == 0
        finally:
            channel.queue_delete("muses.q1")
            channel.queue_delete("muses.q2")


def test_a_lost_connection_loses_nothing(server: RabbitServer, settings: BrokerSettings, tmp_path: Path) -> None:
    slow = msgspec.structs.replace(QUICK, per_second=20.0, watch=timedelta(0))
    bury(server.place, numbered(40))
    with working(server.place) as worker:
        broker = target(settings, tmp_path, replay=slow)
        gone = threading.Timer(0.7, close_connection, (server, settings))
        gone.start()
        assert "the connection was lost" in stopped(broker, 40)
        gone.join()
        until(lambda: not unsettled(server), patience=5)
        with client(server.place) as channel:
            left = dead(channel)
        assert 0 < left < 40
        result = perform(target(settings, tmp_path), left)
        until(lambda: set(worker.bodies) == set(numbered(40)), patience=10)
    assert len(worker.bodies) <= 41
    assert result["after"] == {"messages": 0}


def test_asked_to_stop_it_ends_after_the_message_it_is_at(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path
) -> None:
    slow = msgspec.structs.replace(QUICK, per_second=20.0, watch=timedelta(0))
    bury(server.place, numbered(40))
    broker = target(settings, tmp_path, replay=slow)
    with working(server.place) as worker:
        threading.Timer(0.5, broker.interrupt).start()
        result = perform(broker, 40)
    assert result["asked_to_stop"]
    assert 0 < result["put_back"] < 40
    assert sorted(worker.bodies + bodies_in(server.place, DEAD_LETTERS)) == sorted(numbered(40))


def test_one_process_at_a_time_and_a_damaged_ledger_is_refused(settings: BrokerSettings, tmp_path: Path) -> None:
    held = Ledger("broker", tmp_path / "replays", "muses", DEAD_LETTERS)
    assert "another process" in refused(target(settings, tmp_path), 0)
    held.close()
    file = tmp_path / "replays" / file_name("muses", DEAD_LETTERS)
    file.write_bytes(b'{"at": 1}\n')
    assert "line 1 cannot be read" in refused(target(settings, tmp_path), 0)


def close_connection(server: RabbitServer, settings: BrokerSettings) -> None:
    """As the broker's administrator would: it is the operator's own, so it may."""
    from http.client import HTTPConnection
    from urllib.parse import quote

    from runbook.targets.rabbitmq.api import ManagementApi

    assert settings.management_url is not None
    assert settings.operator is not None
    api = ManagementApi("broker", settings.management_url, settings, settings.operator)
    names: list[str] = []

    def found() -> bool:
        names[:] = [row.name for row in api.connections() if row.user == "muses_operator"]
        return bool(names)

    with api:
        until(found, patience=5)
    plain = HTTPConnection("127.0.0.1", server.place.ports.management)
    for name in names:
        plain.request("DELETE", f"/api/connections/{quote(name)}", headers={"Authorization": api._authorization()})
        assert plain.getresponse().read() == b""
    plain.close()


def unsettled(server: RabbitServer) -> int:
    with client(server.place) as channel:
        return 0 if channel.queue_declare(DEAD_LETTERS, passive=True).method.message_count else 1
