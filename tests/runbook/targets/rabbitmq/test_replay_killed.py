"""The process that puts dead letters back is killed after every thing it does: no message is ever lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pika
import pytest

from lab.topology import DEAD_LETTERS
from runbook.settings import BrokerSettings
from runbook.settings.broker import ReplaySettings
from runbook.targets.rabbitmq.broker import Broker
from tests.runbook.targets.rabbitmq.consuming import bodies_in, bury, dead, named, working
from tests.runbook.targets.rabbitmq.killing import MILESTONES, Killer, Order, killer, step
from tests.runbook.targets.servers_rabbitmq import RabbitServer, client, until

BODIES = [b"%d" % number for number in range(5)]
QUICK = ReplaySettings(canary=2, watch=timedelta(0), patience=timedelta(seconds=5), per_second=2000.0)


@pytest.fixture(scope="module")
def process() -> Iterator[Killer]:
    with killer() as found:
        yield found


def nameless(number: int) -> pika.BasicProperties:
    return pika.BasicProperties(delivery_mode=2)


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("milestone", MILESTONES)
def test_no_message_is_lost_and_none_is_put_back_twice_but_the_one_in_doubt(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path, process: Killer, milestone: str, nth: int
) -> None:
    given = msgspec.structs.replace(settings, replay=QUICK)
    order = Order(settings=given, state=tmp_path, queue=DEAD_LETTERS, messages=5, milestone=milestone, nth=nth)
    bury(server.place, BODIES, properties=named)
    with working(server.place) as worker, client(server.place) as channel:
        assert process.kill(order) == 9
        gone = nth if MILESTONES.index(milestone) >= MILESTONES.index("acknowledged") else nth - 1
        until(lambda: dead(channel) == len(BODIES) - gone, patience=5)
        left = dead(channel)
        result = Broker("broker", given, environment="lab", state=tmp_path).perform(step(DEAD_LETTERS, left))
        until(lambda: set(worker.bodies) == set(BODIES), patience=5)
    twice = Counter(worker.bodies) - Counter(BODIES)
    assert bodies_in(server.place, DEAD_LETTERS) == []
    assert twice.total() == (1 if milestone == "published" else 0), twice
    assert result["perhaps_twice"] == (1 if milestone in ("sending", "published") else 0)
    assert result["finished_from_before"] == (1 if milestone == "confirmed" else 0)


def test_what_bears_no_name_is_rather_put_back_twice_than_lost(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path, process: Killer
) -> None:
    """Two that look alike may be two: that one of them went back says nothing of the other."""
    given = msgspec.structs.replace(settings, replay=QUICK)
    order = Order(settings=given, state=tmp_path, queue=DEAD_LETTERS, messages=2, milestone="confirmed", nth=1)
    bury(server.place, [b"same", b"same"], properties=nameless)
    with working(server.place) as worker, client(server.place) as channel:
        assert process.kill(order) == 9
        until(lambda: dead(channel) == 2, patience=5)
        Broker("broker", given, environment="lab", state=tmp_path).perform(step(DEAD_LETTERS, 2))
        until(lambda: len(worker.bodies) == 3, patience=5)
    assert bodies_in(server.place, DEAD_LETTERS) == []


def test_killed_while_the_canary_is_looked_at(
    server: RabbitServer, settings: BrokerSettings, tmp_path: Path, process: Killer
) -> None:
    given = msgspec.structs.replace(settings, replay=QUICK)
    order = Order(settings=given, state=tmp_path, queue=DEAD_LETTERS, messages=5, milestone="canary", nth=1)
    bury(server.place, BODIES)
    with working(server.place) as worker, client(server.place) as channel:
        assert process.kill(order) == 9
        until(lambda: dead(channel) == 3, patience=5)
        Broker("broker", given, environment="lab", state=tmp_path).perform(step(DEAD_LETTERS, 3))
        until(lambda: sorted(worker.bodies) == BODIES, patience=5)
