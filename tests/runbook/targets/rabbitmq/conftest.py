"""The session's RabbitMQ for all tests of the target, its two queues empty at the beginning of each."""

from __future__ import annotations

import pytest

from lab.topology import DEAD_LETTERS, QUEUE
from runbook.settings import BrokerSettings
from tests.runbook.targets.servers_rabbitmq import RabbitServer, client, settings_of


@pytest.fixture(scope="session")
def server(rabbit_server: RabbitServer) -> RabbitServer:
    """The server, with the lab's virtual host, users and queues."""
    return rabbit_server


@pytest.fixture
def settings(server: RabbitServer) -> BrokerSettings:
    """The settings of the lab's site, with both queues empty."""
    with client(server.place) as channel:
        for queue in (QUEUE, DEAD_LETTERS):
            channel.queue_purge(queue)
    return settings_of(server.place)
