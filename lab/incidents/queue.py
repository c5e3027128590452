"""What the broker says of the lab's queues at this moment (the management API's figures are a second old)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lab.place import VHOST, Place
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


def told(place: Place) -> dict[str, int]:
    """How many messages the management API says that each queue holds; it is a second behind."""
    from urllib.request import HTTPBasicAuthHandler, HTTPPasswordMgrWithPriorAuth, build_opener

    passwords = HTTPPasswordMgrWithPriorAuth()
    user = "muses_reader"
    passwords.add_password(None, place.management_url, user, place.broker_password(user), is_authenticated=True)
    opener = build_opener(HTTPBasicAuthHandler(passwords))
    with opener.open(f"{place.management_url}/api/queues/{VHOST}", timeout=5) as answer:
        return {found["name"]: found.get("messages", 0) for found in json.loads(answer.read())}


def waiting(place: Place, of: str = QUEUE) -> int:
    """How many messages wait in a queue."""
    with channel(place) as asking:
        return asking.queue_declare(of, passive=True).method.message_count


def dead_letters(place: Place) -> int:
    """How many rejected messages lie there."""
    return waiting(place, DEAD_LETTERS)


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
