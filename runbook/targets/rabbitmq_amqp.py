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

if TYPE_CHECKING:
    from pika import BlockingConnection, ConnectionParameters
    from pika.adapters.blocking_connection import BlockingChannel

#: Seconds for the connection and the whole handshake.
PATIENCE = 2.5
#: Seconds between the two samples of a growth.
PAUSE = 1.0

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
    with _channel(target, settings, login) as channel:
        first = {queue: _depth(target, settings, channel, queue) for queue in queues}
        channel.connection.sleep(PAUSE)
        return {queue: (first[queue], _depth(target, settings, channel, queue)) for queue in queues}


def log_in(target: str, settings: BrokerSettings, login: Login) -> None:
    """Open a connection and a channel, and close them. Raises ProbeError where that fails."""
    with _channel(target, settings, login):
        pass


def _depth(target: str, settings: BrokerSettings, channel: BlockingChannel, queue: str) -> Depth:
    from pika.exceptions import ChannelClosedByBroker

    try:
        answer = channel.queue_declare(queue, passive=True).method
    except ChannelClosedByBroker as error:
        raise _closed(target, error.reply_code, f"queue {queue!r} in virtual host {settings.vhost!r}") from error
    return Depth(datetime.now(UTC), answer.message_count, answer.consumer_count)


@contextmanager
def _channel(target: str, settings: BrokerSettings, login: Login) -> Iterator[BlockingChannel]:
    from pika.exceptions import AMQPError

    connection: BlockingConnection | None = None
    where = f"AMQP at {settings.host}:{settings.port}"
    try:
        connection = _connected(target, settings, login)
        yield connection.channel()
    except (AMQPError, OSError) as error:
        raise _failed(target, where, settings, login, error) from error
    finally:
        if connection is not None and connection.is_open:
            with suppress(AMQPError, OSError):
                connection.close()


def _connected(target: str, settings: BrokerSettings, login: Login) -> BlockingConnection:
    from pika import BlockingConnection

    return BlockingConnection(_parameters(target, settings, login))


def _parameters(target: str, settings: BrokerSettings, login: Login) -> ConnectionParameters:
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
        heartbeat=1,  # so that a server that falls silent after the handshake is given up, six seconds later
        client_properties={"connection_name": "muses-runbook"},
    )


def _failed(target: str, where: str, settings: BrokerSettings, login: Login, error: Exception) -> ProbeError:
    from pika.adapters.utils.connection_workflow import AMQPConnectorStackTimeout
    from pika.exceptions import (
        AMQPHeartbeatTimeout,
        AuthenticationError,
        ConnectionClosedByBroker,
        ProbableAccessDeniedError,
        ProbableAuthenticationError,
    )

    match error:
        case ConnectionClosedByBroker() | ProbableAuthenticationError() | ProbableAccessDeniedError():
            return _closed(target, _reply_code(error), _access(settings, login))
        case AuthenticationError():
            return ProbeError(target, ProbeFailure.DENIED, f"{where}: no common way to log in")
        case AMQPHeartbeatTimeout() | AMQPConnectorStackTimeout():
            return ProbeError(target, ProbeFailure.SILENT, f"{where} gave no answer in time")
    return unreachable(target, where, error)


def _access(settings: BrokerSettings, login: Login) -> str:
    user, vhost = login.user, settings.vhost
    return (
        f"user {user} in virtual host {vhost!r}: its password is wrong or it has no permission there; mend with:"
        f" rabbitmqctl set_permissions -p {vhost} {user} '^$' '^$' '^$'"
    )


def _reply_code(error: Exception) -> int | None:
    code = error.args[0] if error.args else None
    return code if isinstance(code, int) else None


def _closed(target: str, code: int | None, what: str) -> ProbeError:
    """The broker's own reply codes: 403 is no access, 404 not found, 530 not allowed into the virtual host."""
    kinds = {403: ProbeFailure.DENIED, 404: ProbeFailure.ABSENT, 530: ProbeFailure.DENIED}
    kind = kinds.get(code or 0, ProbeFailure.BROKEN)
    words = {ProbeFailure.DENIED: "AMQP denies", ProbeFailure.ABSENT: "there is no"}
    return ProbeError(target, kind, f"{words.get(kind, 'AMQP failed on')} {what}", code=str(code))
