"""What the broker says of the lab's queues at this moment (the management API's figures are a second old)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lab.place import Place
from lab.topology import DEAD_LETTERS, QUEUE

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel


@contextlib.contextmanager
def channel(place: Place) -> Iterator[BlockingChannel]:
    """A channel of ``muses_app``. Raises pika.exceptions.AMQPError."""
    import pika

    with pika.BlockingConnection(pika.URLParameters(place.amqp_url("muses_app"))) as connection:
        yield connection.channel()


def consumers(place: Place) -> int:
    """How many consumers the queue of enrolments has."""
    with channel(place) as asking:
        return asking.queue_declare(QUEUE, passive=True).method.consumer_count


def dead_letters(place: Place) -> int:
    """How many rejected messages lie there."""
    with channel(place) as asking:
        return asking.queue_declare(DEAD_LETTERS, passive=True).method.message_count


def purge(place: Place, queue: str) -> None:
    """Throw away what waits in a queue: invented records all."""
    with channel(place) as purging:
        purging.queue_purge(queue)


def publish(place: Place, bodies: Iterable[bytes]) -> None:
    """Publish as reception does."""
    from lab.services.reception import publish as publish_one

    with channel(place) as publishing:
        for body in bodies:
            publish_one(publishing, body)
