"""A worker of the tests: it takes what is in a queue, notes it, and rejects what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import pika
from pika.adapters.blocking_connection import BlockingChannel

from lab.place import Place
from lab.topology import DEAD_LETTERS, QUEUE
from tests.runbook.targets.servers_rabbitmq import client, until

Message = tuple[pika.BasicProperties, bytes]


class Worker:
    """Messages in the order in which they were taken; ``rejects`` are bodies that it cannot take."""

    def __init__(self, place: Place, queue: str = QUEUE, rejects: Collection[bytes] = ()) -> None:
        self.taken: list[Message] = []
        self._place, self._queue, self._rejects = place, queue, rejects
        self._stop, self._there = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Worker:
        self._thread.start()
        assert self._there.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    @property
    def bodies(self) -> list[bytes]:
        """What was taken, without what was rejected."""
        return [body for _, body in self.taken]

    def _run(self) -> None:
        with client(self._place) as channel:
            channel.basic_consume(self._queue, self._take)
            self._there.set()
            while not self._stop.is_set():
                channel.connection.process_data_events(0.02)

    def _take(
        self, channel: BlockingChannel, method: pika.spec.Basic.Deliver, properties: pika.BasicProperties, body: bytes
    ) -> None:
        if body in self._rejects:
            channel.basic_reject(method.delivery_tag or 0, requeue=False)
        else:
            self.taken.append((properties, body))
            channel.basic_ack(method.delivery_tag or 0)


@contextmanager
def working(place: Place, queue: str = QUEUE, rejects: Collection[bytes] = ()) -> Iterator[Worker]:
    """A worker at work."""
    with Worker(place, queue, rejects) as worker:
        yield worker


def named(number: int) -> pika.BasicProperties:
    """What a publisher gives a message: a name of its own."""
    return pika.BasicProperties(delivery_mode=2, message_id=f"m-{number}")


def bury(
    place: Place,
    bodies: Collection[bytes],
    queue: str = QUEUE,
    properties: Callable[[int], pika.BasicProperties] | None = None,
) -> None:
    """Publish them to a queue and reject each there; returns when the dead letters have them."""
    with client(place) as channel:
        before = channel.queue_declare(DEAD_LETTERS, passive=True).method.message_count
        for number, body in enumerate(bodies):
            given = (
                properties(number) if properties else pika.BasicProperties(delivery_mode=2, message_id=f"m-{number}")
            )
            channel.basic_publish("", queue, body, given)
        for _ in bodies:
            method, _, _ = channel.basic_get(queue)
            channel.basic_reject(method.delivery_tag, requeue=False)
        until(lambda: dead(channel) == before + len(bodies), patience=10)


def dead(channel: BlockingChannel) -> int:
    """How many dead letters there are."""
    return channel.queue_declare(DEAD_LETTERS, passive=True).method.message_count


def bodies_in(place: Place, queue: str) -> list[bytes]:
    """What is in a queue, taken out of it."""
    found = []
    with client(place) as channel:
        while True:
            method, _, body = channel.basic_get(queue, auto_ack=True)
            if method is None:
                return found
            found.append(body)
