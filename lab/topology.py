"""The broker's queue of enrolment messages and the one where rejected messages come to rest."""

from __future__ import annotations

from lab.place import Place

QUEUE = "muses.recepcion"
DEAD_LETTERS = "muses.recepcion.muertos"
DEAD_LETTER_EXCHANGE = "muses.muertos"


def declare(place: Place) -> None:
    """Declare both queues, durable; what stands already stays as it is. Raises pika.exceptions.AMQPError."""
    import pika

    with pika.BlockingConnection(pika.URLParameters(place.amqp_url("muses_app"))) as connection:
        channel = connection.channel()
        channel.exchange_declare(DEAD_LETTER_EXCHANGE, exchange_type="fanout", durable=True)
        channel.queue_declare(DEAD_LETTERS, durable=True)
        channel.queue_bind(DEAD_LETTERS, DEAD_LETTER_EXCHANGE)
        channel.queue_declare(QUEUE, durable=True, arguments={"x-dead-letter-exchange": DEAD_LETTER_EXCHANGE})
