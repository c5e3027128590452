"""An HTTP API that speaks JSON, as one identity: Docker's Engine over its Unix socket or TCP, and Kubernetes'.

urllib3 is there with botocore. Every exchange ends in its time, an answer has a largest size, and nothing is repeated
or followed elsewhere: what was asked for twice might be done twice.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.learnt import learnt
from runbook.redact import masked_text
from runbook.targets.network import status_failure, unix_connection, unreachable
from runbook.text import text

T = TypeVar("T")

#: Seconds that a connection, and each read of an answer, may take.
PATIENCE = 2.5
#: An answer that is longer is not what was asked for.
LARGEST = 16 * 1024**2
#: Connections that are kept open: diagnoses ask at the same time.
_KEPT = 4


class _Refusal(msgspec.Struct, frozen=True):
    """Docker's error and Kubernetes' Status: both have their reason here."""

    message: str = ""


class Answer(msgspec.Struct, frozen=True):
    """A body and the server's clock when it was sent (ours, where it tells none)."""

    body: bytes
    at: datetime


class Api:
    """The API at ``unix:///path``, ``http://…`` or ``https://…``; connections are kept open between exchanges."""

    def __init__(
        self,
        target: str,
        url: str,
        *,
        context: Callable[[], ssl.SSLContext] | None = None,
        headers: Callable[[], dict[str, str]] = dict,
    ) -> None:
        self.target, self._url, self._context, self._headers = target, urlsplit(url), context, headers
        self._pool: Any = None

    @property
    def address(self) -> str:
        """Where it listens, for people."""
        if self._url.scheme == "unix":
            return f"unix://{self._url.path}"
        return f"{self._url.scheme}://{self._url.hostname}:{self._port}"

    def get(self, path: str, kind: type[T], **query: str) -> tuple[T, datetime]:
        """What stands at a path, and the server's clock. Raises ProbeError; ABSENT where there is nothing (404)."""
        asked = f"{path}?{urlencode(query)}" if query else path
        answer = self.exchange("GET", asked)
        return self._decoded(answer.body, kind), answer.at

    def send(self, method: str, path: str, body: Any = None, *, patience: float = PATIENCE) -> Answer:
        """Change something. Raises ProbeError whose ``code`` is the HTTP status."""
        return self.exchange(method, path, None if body is None else msgspec.json.encode(body), patience)

    def told(self, method: str, path: str, body: Any, kind: type[T]) -> T:
        """Ask something whose question does not fit into a path, and get the answer."""
        return self._decoded(self.send(method, path, body).body, kind)

    def exchange(self, method: str, path: str, body: bytes | None = None, patience: float = PATIENCE) -> Answer:
        """One request and its answer. Statuses from 400 up raise ProbeError; 304 (it was so already) does not."""
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json", **self._headers()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        wait = Timeout(connect=PATIENCE, read=patience)
        try:
            answer = self._opened().request(
                method,
                self._asked(path),
                body=body,
                headers=headers,
                timeout=wait,
                redirect=False,
                preload_content=False,
            )
            try:
                said = answer.read(LARGEST + 1, decode_content=True)
            finally:
                answer.drain_conn() if answer.length_remaining == 0 else answer.close()
        except (HTTPError, OSError) as error:
            raise unreachable(self.target, self.address, error) from error
        if len(said) > LARGEST:
            raise self._strange()
        if answer.status >= 300 and answer.status != 304:
            raise self._refused(answer.status, said)
        return Answer(said, _clock(answer.headers.get("Date", "")))

    def _decoded(self, body: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=learnt(kind))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._strange() from error

    def _strange(self) -> ProbeError:
        said = text("{where} answered something else than its API's JSON", where=self.address)
        return ProbeError(self.target, ProbeFailure.BROKEN, said)

    def _refused(self, status: int, body: bytes) -> ProbeError:
        try:
            reason = msgspec.json.decode(body, type=learnt(_Refusal)).message
        except (msgspec.DecodeError, UnicodeDecodeError):
            reason = ""
        said = text(
            "{where} answered HTTP {status}: {reason}",
            where=self.address,
            status=status,
            reason=masked_text(reason[:300]),
        )
        return ProbeError(self.target, status_failure(status), said, code=str(status))

    @property
    def _port(self) -> int:
        return self._url.port or (443 if self._url.scheme == "https" else 80)

    def _asked(self, path: str) -> str:
        return path if self._url.scheme == "unix" else f"{self._url.path.rstrip('/')}{path}"

    def _opened(self) -> Any:
        if self._pool is None:
            self._pool = self._open()
        return self._pool

    def _open(self) -> Any:
        from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry

        never = Retry(total=False, redirect=False)
        if self._url.scheme == "unix":
            return _unix_pool(self._url.path)
        if self._url.scheme == "http":
            return HTTPConnectionPool(self._url.hostname or "", self._port, maxsize=_KEPT, retries=never)
        try:
            context = self._context() if self._context else ssl.create_default_context()
        except OSError as error:  # ssl.SSLError is one too
            raise unreachable(self.target, self.address, error) from error
        return HTTPSConnectionPool(
            self._url.hostname or "", self._port, maxsize=_KEPT, retries=never, ssl_context=context
        )


def _unix_pool(path: str) -> Any:
    from urllib3 import HTTPConnectionPool, Retry
    from urllib3.connection import HTTPConnection

    class Connection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return unix_connection(path, PATIENCE)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    return Pool("localhost", maxsize=_KEPT, retries=Retry(total=False, redirect=False))


def _clock(date: str) -> datetime:
    try:
        return parsedate_to_datetime(date).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)
