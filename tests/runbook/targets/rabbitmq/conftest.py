"""One real RabbitMQ for all tests of the target, its two queues empty at the beginning of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.topology import DEAD_LETTERS, QUEUE
from runbook.settings import BrokerSettings, Login, Secret
from tests.runbook.targets.servers_rabbitmq import RabbitServer, client


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """The server, with the lab's virtual host, users and queues."""
    server = RabbitServer(tmp_path_factory.mktemp("rabbitmq"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def settings(server: RabbitServer) -> BrokerSettings:
    """The settings of the lab's site, with both queues empty."""
    with client(server.place) as channel:
        for queue in (QUEUE, DEAD_LETTERS):
            channel.queue_purge(queue)
    place = server.place
    return BrokerSettings(
        port=place.ports.amqp,
        management_url=place.management_url,
        vhost="muses",
        queues=(QUEUE,),
        dead_letter_queues=(DEAD_LETTERS,),
        reader=Login(user="muses_reader", password=Secret(file=place.secret_file("broker-muses_reader"))),
        operator=Login(user="muses_operator", password=Secret(file=place.secret_file("broker-muses_operator"))),
    )
