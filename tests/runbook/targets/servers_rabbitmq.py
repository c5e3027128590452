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

import pika
from pika.adapters.blocking_connection import BlockingChannel

from lab.place import Place
from lab.servers import rabbitmq
from lab.topology import declare


class RabbitServer:
    """One server with the lab's virtual host, users and queues; it can be stopped and started again."""

    def __init__(self, home: Path) -> None:
        self.place = Place.new(home)
        rabbitmq.prepare(self.place)
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
        until(self._speaks, patience=40)
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
