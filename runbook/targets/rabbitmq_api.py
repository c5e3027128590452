"""RabbitMQ's management API: lengths, rates, consumers and connections, without a driver.

``http.client`` is the fastest import that speaks it (25 ms; urllib3 takes 61 ms), and one connection serves all
requests of a reading.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import BrokerSettings, Login
from runbook.targets.identity import revealed
from runbook.targets.network import tls_context, unreachable
from runbook.targets.rates import Samples

if TYPE_CHECKING:
    from http.client import HTTPConnection

T = TypeVar("T")

#: Seconds that a connection, and each read of an answer, may take.
PATIENCE = 2.5
#: RabbitMQ collects statistics every five seconds; finer samples would only repeat the last one.
COLLECTED_EVERY = timedelta(seconds=5)


class Sample(msgspec.Struct, frozen=True):
    """One value at one time (milliseconds since 1970)."""

    sample: float
    timestamp: int


class Series(msgspec.Struct, frozen=True):
    """The samples of one number, newest first as the API gives them; none where statistics are off."""

    samples: tuple[Sample, ...] = ()

    def known(self, moments: set[int]) -> Samples:
        """Oldest first, only at moments from which the queue's statistics are real."""
        kept = (s for s in reversed(self.samples) if s.timestamp in moments)
        return tuple((datetime.fromtimestamp(s.timestamp / 1000, UTC), round(s.sample)) for s in kept)


class Traffic(msgspec.Struct, frozen=True):
    """What went in and out of a queue; a part is absent until it happened once."""

    publish_details: Series = Series()
    ack_details: Series = Series()
    deliver_no_ack_details: Series = Series()
    get_no_ack_details: Series = Series()


class ChannelOf(msgspec.Struct, frozen=True):
    """Where a consumer sits."""

    name: str = ""
    connection_name: str = ""
    user: str = ""
    peer_host: str | None = None
    peer_port: int | None = None


class ConsumerRow(msgspec.Struct, frozen=True):
    """One consumer of a queue."""

    consumer_tag: str
    channel_details: ChannelOf | list[Any] = ChannelOf()
    prefetch_count: int = 0
    activity_status: str = "up"


class QueueRow(msgspec.Struct, frozen=True):
    """One queue. ``messages`` is None until the broker has statistics of it."""

    name: str
    state: str = "running"
    messages: int | None = None
    messages_ready: int | None = None
    messages_unacknowledged: int | None = None
    messages_details: Series = Series()
    reductions_details: Series = Series()
    message_stats: Traffic | list[Any] = Traffic()
    consumer_details: tuple[ConsumerRow, ...] = ()

    @property
    def moments(self) -> set[int]:
        """When the queue's statistics are real: its process has worked (reductions) by then.

        The API fills the time before its first statistics with zeros: after a restart of the broker an old backlog
        would seem to have come in within one interval. It also repeats the last value for the interval not over yet.
        """
        return {s.timestamp for s in self.reductions_details.samples if s.sample > 0}


class ChannelRow(msgspec.Struct, frozen=True):
    """One channel; ``messages_unacknowledged`` is None until the broker has statistics of it."""

    name: str = ""
    messages_unacknowledged: int | None = None


class ConnectionRow(msgspec.Struct, frozen=True):
    """One client's connection; ``connected_at`` in milliseconds since 1970."""

    name: str = ""
    user: str = ""
    user_provided_name: str = ""
    state: str = ""
    channels: int = 0
    connected_at: int | None = None


class Whoami(msgspec.Struct, frozen=True):
    """The user that asks, and its tags (one string with commas before RabbitMQ 3.9)."""

    name: str
    tags: list[str] | str


class _Refusal(msgspec.Struct, frozen=True):
    error: str
    reason: str = ""


class ManagementApi:
    """One connection to the API as one user; closed at the end of the ``with`` block."""

    def __init__(self, target: str, settings: BrokerSettings, login: Login) -> None:
        assert settings.management_url is not None
        self._target, self._login = target, login
        self._url = urlsplit(settings.management_url)
        self._vhost = quote(settings.vhost, safe="")
        self._cafile = settings.cafile
        self._connection: HTTPConnection | None = None

    def __enter__(self) -> ManagementApi:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    @property
    def address(self) -> str:
        """Where the API is, for people: without user and password."""
        return f"the management API at {self._url.scheme}://{self._url.hostname}:{self._port}"

    def whoami(self) -> Whoami:
        """The user that asks."""
        return self._get("whoami", Whoami)

    def queue(self, name: str, window: timedelta) -> QueueRow:
        """One queue of the virtual host with its samples over the window. Raises ProbeError(ABSENT) without it."""
        return self._get(f"queues/{self._vhost}/{quote(name, safe='')}", QueueRow, **_sampled(window))

    def queues(self, window: timedelta) -> tuple[QueueRow, ...]:
        """Every queue of the virtual host: costly on a broker with thousands."""
        return self._get(f"queues/{self._vhost}", tuple[QueueRow, ...], **_sampled(window))

    def consumers(self, queue: str) -> tuple[ConsumerRow, ...]:
        """The consumers of one queue."""
        path = f"queues/{self._vhost}/{quote(queue, safe='')}"
        return self._get(path, QueueRow, columns="name,consumer_details").consumer_details

    def channels(self) -> tuple[ChannelRow, ...]:
        """The channels of the virtual host."""
        return self._listed("channels", ChannelRow)

    def connections(self) -> tuple[ConnectionRow, ...]:
        """The connections to the virtual host."""
        return self._listed("connections", ConnectionRow)

    def _listed(self, what: str, kind: type[T]) -> tuple[T, ...]:
        columns = ",".join(field.name for field in msgspec.structs.fields(kind))  # type: ignore[arg-type]
        return self._get(f"vhosts/{self._vhost}/{what}", tuple[kind, ...], columns=columns)  # type: ignore[valid-type]

    @property
    def _port(self) -> int:
        return self._url.port or (443 if self._url.scheme == "https" else 80)

    def _get(self, path: str, kind: Callable[..., T] | type[T], **query: str) -> T:
        status, body = self._exchange(f"{self._url.path.rstrip('/')}/api/{path}?{urlencode(query)}")
        if status != 200:
            raise self._refused(path, status, body)
        try:
            return msgspec.json.decode(body, type=kind)  # type: ignore[arg-type]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProbeError(
                self._target, ProbeFailure.BROKEN, f"{self.address} answered something else than RabbitMQ's JSON"
            ) from error

    def _exchange(self, path: str) -> tuple[int, bytes]:
        from http.client import HTTPException

        headers = {"Authorization": self._authorization()}
        try:
            self._connection = self._connection or self._connect()
            self._connection.request("GET", path, headers=headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException) as error:
            raise unreachable(self._target, self.address, error) from error

    def _connect(self) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        host = self._url.hostname or "127.0.0.1"
        if self._url.scheme == "https":
            context = tls_context(self._cafile)
            return HTTPSConnection(host, self._port, timeout=PATIENCE, context=context)
        return HTTPConnection(host, self._port, timeout=PATIENCE)

    def _authorization(self) -> str:
        password = revealed(self._target, self._login.password) or ""
        return "Basic " + base64.b64encode(f"{self._login.user}:{password}".encode()).decode()

    def _refused(self, path: str, status: int, body: bytes) -> ProbeError:
        """The API gives its reason in JSON; what has none is another server, or the plugin is off."""
        try:
            reason = msgspec.json.decode(body, type=_Refusal).reason
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ProbeError(self._target, ProbeFailure.BROKEN, f"{self.address} answered {status}", code=str(status))
        if status in (401, 403):
            return self._denied(status, reason)
        kind = ProbeFailure.ABSENT if status == 404 else ProbeFailure.BROKEN
        return ProbeError(self._target, kind, f"{self.address} answered {status}: {reason}", code=str(status))

    def _denied(self, status: int, reason: str) -> ProbeError:
        user = self._login.user
        message = (
            f"{self.address} denies user {user} ({status}: {reason}): its password is wrong or it lacks the tag"
            f" monitoring; mend with: rabbitmqctl set_user_tags {user} monitoring"
        )
        return ProbeError(self._target, ProbeFailure.DENIED, message, code=str(status))


def _sampled(window: timedelta) -> dict[str, str]:
    columns = ",".join(QueueRow.__struct_fields__)
    age = str(round(max(window, 3 * COLLECTED_EVERY).total_seconds()))
    step = str(round(COLLECTED_EVERY.total_seconds()))
    spans = {
        f"{what}_{of}": value
        for what in ("lengths", "msg_rates", "data_rates")
        for of, value in (("age", age), ("incr", step))
    }
    return {"columns": columns, **spans}
