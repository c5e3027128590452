"""RabbitMQ's management API: lengths, rates, consumers and connections, without a driver.

``http.client`` is the fastest import that speaks it (25 ms; urllib3 takes 61 ms), and one connection serves all
requests of a reading.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.learnt import learnt
from runbook.settings import BrokerSettings, Login
from runbook.targets.identity import revealed
from runbook.targets.network import status_failure, tls_context, unreachable
from runbook.targets.rabbitmq.rows import ChannelRow, ConnectionRow, ConsumerRow, QueueRow, Whoami
from runbook.text import text

if TYPE_CHECKING:
    from http.client import HTTPConnection

T = TypeVar("T")

#: Seconds that a connection, and each read of an answer, may take.
PATIENCE = 2.5
#: RabbitMQ collects statistics every five seconds unless told otherwise: less than three of them show no slope.
SHORTEST_WINDOW = timedelta(seconds=15)
NO_QUERY: Mapping[str, str] = {}
_SERIES = ("lengths", "msg_rates", "data_rates")


class _Refusal(msgspec.Struct, frozen=True):
    error: str
    reason: str = ""


class ManagementApi:
    """One connection to the API as one user; closed at the end of the ``with`` block."""

    def __init__(self, target: str, url: str, settings: BrokerSettings, login: Login) -> None:
        self.target, self._url, self._login = target, urlsplit(url), login
        self.vhost, self._quoted = settings.vhost, quote(settings.vhost, safe="")
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
        return f"{self._url.scheme}://{self._url.hostname}:{self.port}"

    def whoami(self) -> Whoami:
        """The user that asks."""
        return self.get("whoami", Whoami)

    def queue(self, name: str, window: timedelta) -> QueueRow:
        """One queue of the virtual host with its samples over the window. Raises ProbeError(ABSENT) without it."""
        return self._queue(name, _sampled(window))

    def queues(self, window: timedelta) -> tuple[QueueRow, ...]:
        """Every queue of the virtual host: costly on a broker with thousands."""
        return self.get(self.within("queues"), tuple[QueueRow, ...], _sampled(window))

    def consumers(self, queue: str) -> tuple[ConsumerRow, ...]:
        """The consumers of one queue."""
        return self._queue(queue, {"columns": "name,consumer_details"}).consumer_details

    def channels(self) -> tuple[ChannelRow, ...]:
        """The channels of the virtual host."""
        return self._listed("channels", ChannelRow)

    def connections(self) -> tuple[ConnectionRow, ...]:
        """The connections to the virtual host."""
        return self._listed("connections", ConnectionRow)

    def within(self, what: str, name: str | None = None, then: str = "") -> str:
        """The path of what belongs to the virtual host, or of one of it by its name."""
        return f"{what}/{self._quoted}" + (f"/{quote(name, safe='')}{then}" if name is not None else "")

    def _queue(self, name: str, query: Mapping[str, str]) -> QueueRow:
        try:
            return self.get(self.within("queues", name), QueueRow, query)
        except ProbeError as error:
            if error.kind is not ProbeFailure.ABSENT:
                raise
            raise no_queue(self.target, name, self.vhost) from error

    def _listed(self, what: str, kind: type[T]) -> tuple[T, ...]:
        columns = ",".join(field.name for field in msgspec.structs.fields(kind))  # type: ignore[arg-type]
        return self.get(f"vhosts/{self._quoted}/{what}", tuple[kind, ...], {"columns": columns})  # type: ignore[valid-type]

    def certificate_ends(self) -> datetime | None:
        """When the certificate that this connection was shown ends; None without TLS, or before the first request."""
        socket = getattr(self._connection, "sock", None)
        shown = socket.getpeercert() if isinstance(socket, ssl.SSLSocket) else None
        ends = (shown or {}).get("notAfter")
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if isinstance(ends, str) else None

    @property
    def port(self) -> int:
        """Where the API listens."""
        return self._url.port or (443 if self._url.scheme == "https" else 80)

    def get(
        self,
        path: str,
        kind: type[T],
        query: Mapping[str, str] = NO_QUERY,
        *,
        also: int = 200,
        patience: float = PATIENCE,
    ) -> T:
        """One answer. ``also`` is another status that is an answer too (a health check that failed says 503);
        ``patience`` is more than usual for what takes long on a connection that has answered before."""
        status, body = self._exchange(f"{self._url.path.rstrip('/')}/api/{path}?{urlencode(query)}", patience)
        if status not in (200, also):
            raise self._refused(status, body)
        try:
            return msgspec.json.decode(body, type=learnt(kind))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            said = text("{where} answered something else than RabbitMQ's JSON", where=self.address)
            raise ProbeError(self.target, ProbeFailure.BROKEN, said) from error

    def _exchange(self, path: str, patience: float) -> tuple[int, bytes]:
        from http.client import HTTPException

        headers = {"Authorization": self._authorization()}
        try:
            self._connection = self._connection or self._connect()
            if self._connection.sock is not None:
                self._connection.sock.settimeout(patience)
            self._connection.request("GET", path, headers=headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException) as error:
            raise unreachable(self.target, self.address, error) from error

    def _connect(self) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        host = self._url.hostname or "127.0.0.1"
        if self._url.scheme == "https":
            context = tls_context(self._cafile)
            return HTTPSConnection(host, self.port, timeout=PATIENCE, context=context)
        return HTTPConnection(host, self.port, timeout=PATIENCE)

    def _authorization(self) -> str:
        password = revealed(self.target, self._login.password) or ""
        return "Basic " + base64.b64encode(f"{self._login.user}:{password}".encode()).decode()

    def _refused(self, status: int, body: bytes) -> ProbeError:
        """The API gives its reason in JSON; what has none is another server, or the plugin is off."""
        try:
            reason = msgspec.json.decode(body, type=learnt(_Refusal)).reason
        except (msgspec.DecodeError, UnicodeDecodeError):
            said = text("{where} is no management API of RabbitMQ (HTTP {status})", where=self.address, status=status)
            return ProbeError(self.target, ProbeFailure.BROKEN, said, code=str(status))
        if status in (401, 403):
            return self._denied(status, reason)
        said = text("{where} answered {status}: {reason}", where=self.address, status=status, reason=reason)
        return ProbeError(self.target, status_failure(status), said, code=str(status))

    def _denied(self, status: int, reason: str) -> ProbeError:
        said = text(
            "{where} denies user {user} ({reason}): its password is wrong, or it lacks the tag monitoring;"
            " mend with: {command}",
            where=self.address,
            user=self._login.user,
            reason=reason,
            command=f"rabbitmqctl set_user_tags {self._login.user} monitoring",
        )
        return ProbeError(self.target, ProbeFailure.DENIED, said, code=str(status))


def no_queue(target: str, queue: str, vhost: str) -> ProbeError:
    """A watched queue that is not there: an error, never an empty queue."""
    said = text("there is no queue {queue} in virtual host {vhost}", queue=queue, vhost=vhost)
    return ProbeError(target, ProbeFailure.ABSENT, said, code="404")


def _sampled(window: timedelta) -> dict[str, str]:
    """The query for a queue with its samples: lengths, traffic, and (``data_rates``) the work of its process."""
    columns = ",".join(QueueRow.__struct_fields__)
    age = str(round(max(window, SHORTEST_WINDOW).total_seconds()))
    ages = {f"{what}_age": age for what in _SERIES}
    return {"columns": columns, **ages, **{f"{what}_incr": "1" for what in _SERIES}}
