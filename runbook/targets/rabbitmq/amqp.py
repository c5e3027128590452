"""What plain AMQP tells of a queue: its ready messages and its consumers, by a passive declare.

It is the way where the management API is off. It sees neither unacknowledged messages nor rates, so growth takes two
samples.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import BrokerSettings, Login
from runbook.targets.identity import revealed
from runbook.targets.network import tls_context, unreachable
from runbook.targets.rabbitmq.api import no_queue
from runbook.text import text

if TYPE_CHECKING:
    from pika import ConnectionParameters
    from pika.adapters.blocking_connection import BlockingChannel

#: Seconds for the connection and the whole handshake.
PATIENCE = 2.5
#: Seconds between the two samples of a growth.
PAUSE = 1.0
_NOT_FOUND = 404

# pika reports each failure to its logger before it raises it; without this Python would print that to a person.
logging.getLogger("pika").addHandler(logging.NullHandler())


class Depth(NamedTuple):
    """What a queue was at one moment, by our clock."""

    at: datetime
    ready: int
    consumers: int


def depths(
    target: str, settings: BrokerSettings, login: Login, queues: tuple[str, ...]
) -> dict[str, tuple[Depth, Depth]]:
    """Two samples of each queue, :data:`PAUSE` apart. Raises ProbeError(ABSENT) naming a queue that is not there."""
    with channel_of(target, settings, login) as channel:
        first = {queue: _depth(target, settings, channel, queue) for queue in queues}
        channel.connection.sleep(PAUSE)
        return {queue: (first[queue], _depth(target, settings, channel, queue)) for queue in queues}


def log_in(target: str, settings: BrokerSettings, login: Login) -> None:
    """Open a connection and a channel, and close them. Raises ProbeError where that fails."""
    with channel_of(target, settings, login):
        pass


def _depth(target: str, settings: BrokerSettings, channel: BlockingChannel, queue: str) -> Depth:
    from pika.exceptions import ChannelClosedByBroker

    try:
        answer = channel.queue_declare(queue, passive=True).method
    except ChannelClosedByBroker as error:
        if error.reply_code == _NOT_FOUND:
            raise no_queue(target, queue, settings.vhost) from error
        said = text("AMQP tells nothing of queue {queue} ({code})", queue=queue, code=error.reply_code)
        raise ProbeError(target, ProbeFailure.BROKEN, said, code=str(error.reply_code)) from error
    return Depth(datetime.now(UTC), answer.message_count, answer.consumer_count)


@contextmanager
def channel_of(target: str, settings: BrokerSettings, login: Login, *, heartbeat: int = 1) -> Iterator[BlockingChannel]:
    """A channel of its own connection, both closed at the end. What fails, within the block too, is a ProbeError."""
    from pika import BlockingConnection
    from pika.adapters.utils.connection_workflow import AMQPConnectorException
    from pika.exceptions import AMQPError

    failures = (AMQPError, AMQPConnectorException, OSError)
    try:
        connection = BlockingConnection(_parameters(target, settings, login, heartbeat))
        try:
            yield connection.channel()
        finally:
            with suppress(*failures):
                connection.close()
    except failures as error:
        raise _failed(target, settings, login, error) from error


def _parameters(target: str, settings: BrokerSettings, login: Login, heartbeat: int) -> ConnectionParameters:
    from pika import ConnectionParameters, PlainCredentials, SSLOptions

    context = tls_context(settings.cafile) if settings.tls else None
    return ConnectionParameters(
        host=settings.host,
        port=settings.port,
        virtual_host=settings.vhost,
        credentials=PlainCredentials(login.user, revealed(target, login.password) or ""),
        ssl_options=SSLOptions(context, settings.host) if context else None,
        connection_attempts=1,
        socket_timeout=PATIENCE,
        stack_timeout=PATIENCE,
        blocked_connection_timeout=PATIENCE,
        heartbeat=heartbeat,  # one that falls silent after the handshake is given up after two of these, and four
        client_properties={"connection_name": "muses-runbook"},
    )


def _failed(target: str, settings: BrokerSettings, login: Login, error: Exception) -> ProbeError:
    from pika.adapters.utils.connection_workflow import AMQPConnectorStackTimeout
    from pika.exceptions import AMQPHeartbeatTimeout, ProbableAccessDeniedError, ProbableAuthenticationError

    where = f"amqp://{settings.host}:{settings.port}"
    match error:
        case ProbableAuthenticationError():
            said = text(
                "{where} denies user {user}: its password is wrong, or there is no such user",
                where=where,
                user=login.user,
            )
            return ProbeError(target, ProbeFailure.DENIED, said)
        case ProbableAccessDeniedError():
            said = text(
                "{where} denies user {user} the virtual host {vhost}; mend with: {command}",
                where=where,
                user=login.user,
                vhost=settings.vhost,
                command=permission(settings, login),
            )
            return ProbeError(target, ProbeFailure.DENIED, said)
        case AMQPHeartbeatTimeout() | AMQPConnectorStackTimeout():
            return unreachable(target, where, TimeoutError())
    return unreachable(target, where, error)


def permission(settings: BrokerSettings, login: Login) -> str:
    """The command that lets a user into the virtual host without letting it read, write or configure anything."""
    return f"rabbitmqctl set_permissions -p {settings.vhost} {login.user} '^$' '^$' '^$'"
