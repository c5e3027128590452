"""A real RabbitMQ of the tests' own: the lab's server, started alone on free ports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from lab.place import Place
from lab.servers import rabbitmq
from lab.topology import DEAD_LETTERS, QUEUE, declare
from runbook.settings import BrokerSettings, Login, Secret


class RabbitServer:
    """One server with the lab's virtual host, users and queues; it can be stopped and started again."""

    def __init__(self, home: Path, more: str = "") -> None:
        """``more`` are further lines of its configuration."""
        self.place = Place.new(home)
        rabbitmq.prepare(self.place)
        with (home / "rabbitmq" / "rabbitmq.conf").open("a") as file:
            file.write(more)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it speaks AMQP and the queues stand."""
        command = rabbitmq.program(self.place)
        with (self.place.logs / "rabbitmq.log").open("ab") as log:
            self._process = subprocess.Popen(
                command.argv,
                env={**os.environ, **command.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(self._speaks, patience=90)
        declare(self.place)

    def stop(self) -> None:
        """End it in order, with all that it started."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            finally:
                os.killpg(self._process.pid, signal.SIGKILL) if self._process.poll() is None else None

    def kill(self) -> None:
        """End it at once: nothing of it is needed any more."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)

    def _speaks(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.place.ports.amqp), timeout=1) as connection:
                connection.sendall(b"AMQP\0\0\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False


@pytest.fixture(scope="session")
def rabbit_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """One server for all tests that want one of their own, and leave it as it was."""
    server = RabbitServer(tmp_path_factory.mktemp("rabbitmq"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def settings_of(place: Place, **changes: Any) -> BrokerSettings:
    """The settings of the lab's site."""
    plain: dict[str, Any] = {
        "port": place.ports.amqp,
        "management_url": place.management_url,
        "vhost": "muses",
        "queues": (QUEUE,),
        "dead_letter_queues": (DEAD_LETTERS,),
        "reader": login_of(place, "muses_reader"),
        "operator": login_of(place, "muses_operator"),
    }
    return BrokerSettings(**{**plain, **changes})


def login_of(place: Place, user: str) -> Login:
    """One of the lab's users."""
    return Login(user=user, password=Secret(file=place.secret_file(f"broker-{user}")))


@contextmanager
def client(place: Place, name: str | None = None) -> Iterator[BlockingChannel]:
    """A channel of the services' own user."""
    parameters = pika.URLParameters(place.amqp_url("muses_app"))
    if name:
        parameters.client_properties = {"connection_name": name}
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection.channel()
    finally:
        connection.close()


def until(true: Callable[[], object], patience: float) -> None:
    """Poll until it holds; fails when it does not within ``patience`` seconds."""
    ends = time.monotonic() + patience
    while not true():
        assert time.monotonic() < ends, f"not within {patience} s: {true}"
        time.sleep(0.05)
