"""A server that is asked over HTTP: bounded in time and bytes, over TCP, TLS or a Unix socket, without a driver.

``http.client`` imports in a third of the time that urllib3 takes, and speaks over a Unix socket too. Redirects are
answers like others: an identity is never sent to a place that the site file does not name.
"""

from __future__ import annotations

import base64
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.learnt import learnt
from runbook.redact import masked_text
from runbook.settings import Login, Secret
from runbook.targets.identity import revealed
from runbook.targets.network import status_failure, tls_context, unix_connection, unreachable
from runbook.text import text

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

T = TypeVar("T")

#: Seconds that one exchange may take from the connection to the last byte.
PATIENCE = 4.0
_PART = 65536
#: Of an error's body, so many characters are shown.
_SHOWN = 200


class Identity(NamedTuple):
    """Who asks, and whom it trusts: a bearer token or a login, the server's authority, the client's certificate."""

    token: Secret | None = None
    login: Login | None = None
    cafile: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


NOBODY = Identity()


class End(NamedTuple):
    """The last bytes of an answer, and whether they are all of it."""

    content: bytes
    whole: bool


class Web:
    """One server, asked as one identity. ``url`` is ``http(s)://host:port/prefix``, or a Unix socket's path."""

    def __init__(
        self, target: str, url: str, identity: Identity = NOBODY, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.target, self._identity = target, identity
        self._socket = url if url.startswith("/") else None
        self._url = urlsplit("http://localhost" if self._socket else url)
        self._headers = {"Accept": "application/json", **(headers or {})}

    @property
    def address(self) -> str:
        """Where it is, for people: without user and password."""
        port = f":{self._url.port}" if self._url.port else ""
        return self._socket or f"{self._url.scheme}://{self._url.hostname}{port}"

    def json(
        self, path: str, kind: type[T], query: Mapping[str, str] | None = None, *, most: int, body: bytes = b""
    ) -> T:
        """What it answers, as ``kind``; with a ``body`` (JSON) it is posted. At most so many bytes.

        Raises ProbeError, with the HTTP status as its code where there was one.
        """
        found = self.end(path, query, most=most, body=body)
        if not found.whole:
            said = text("{where} answers more than may be read: {most} bytes", where=self.address, most=most)
            raise ProbeError(self.target, ProbeFailure.BROKEN, said)
        try:
            return msgspec.json.decode(found.content, type=learnt(kind))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            said = text("{where} answered something else than its JSON at {path}", where=self.address, path=path)
            raise ProbeError(self.target, ProbeFailure.BROKEN, said) from error

    def end(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        most: int,
        body: bytes = b"",
        strain: Callable[[bytes], bytes] | None = None,
    ) -> End:
        """The end of what it answers: older bytes are let go of as newer ones come. Raises ProbeError.

        ``strain`` is given each part of a good answer in turn and returns what is kept of it.
        """
        from http.client import HTTPException

        ends_at = time.monotonic() + PATIENCE
        try:
            connection = self._connection()
            try:
                self._send(connection, path, query, body)
                with connection.getresponse() as answer:
                    found = _end_of(answer, connection.sock, most, ends_at, strain)
            finally:
                connection.close()
        except (OSError, HTTPException) as error:
            raise unreachable(self.target, self.address, error) from error
        if answer.status // 100 != 2:
            raise self._refused(answer.status, path, found.content)
        return found

    def _send(self, connection: HTTPConnection, path: str, query: Mapping[str, str] | None, body: bytes) -> None:
        headers = dict(self._headers)
        if body:
            headers["Content-Type"] = "application/json"
        if said := self._authorization():
            headers["Authorization"] = said
        asked = self._url.path.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        connection.request("POST" if body else "GET", asked, body or None, headers)

    def _authorization(self) -> str | None:
        if self._identity.token is not None:
            return f"Bearer {revealed(self.target, self._identity.token)}"
        login = self._identity.login
        if login is None:
            return None
        password = revealed(self.target, login.password) or ""
        return "Basic " + base64.b64encode(f"{login.user}:{password}".encode()).decode()

    def _connection(self) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        host, port = self._url.hostname or "localhost", self._url.port
        if self._socket is not None:
            connection = HTTPConnection(host, timeout=PATIENCE)
            connection.sock = unix_connection(self._socket, PATIENCE)
            return connection
        if self._url.scheme == "https":
            return HTTPSConnection(host, port, timeout=PATIENCE, context=self._context())
        return HTTPConnection(host, port, timeout=PATIENCE)

    def _context(self) -> ssl.SSLContext:
        context = tls_context(self._identity.cafile)
        if self._identity.certificate is not None:
            try:
                context.load_cert_chain(self._identity.certificate, self._identity.key)
            except OSError as error:
                raise ssl.SSLError(error.errno, f"{self._identity.certificate}: {error.strerror}") from error
        return context

    def _refused(self, status: int, path: str, content: bytes) -> ProbeError:
        reason = masked_text(" ".join(content[:4096].decode(errors="replace").split()))[:_SHOWN]
        said = text(
            "{where} answered {status} at {path}: {reason}", where=self.address, status=status, path=path, reason=reason
        )
        return ProbeError(self.target, status_failure(status), said, code=str(status))


def _end_of(
    answer: HTTPResponse,
    sock: socket.socket | None,
    most: int,
    ends_at: float,
    strain: Callable[[bytes], bytes] | None,
) -> End:
    """A server that drips ends in the same time as one that is silent. Raises TimeoutError.

    ``sock`` is None where the answer has taken the connection over: then each read has its time-out from before.
    """
    parts: deque[bytes] = deque()
    held, whole = 0, True
    while part := _part_in_time(answer, sock, ends_at):
        kept = strain(part) if strain is not None and answer.status // 100 == 2 else part
        parts.append(kept)
        held += len(kept)
        while held - len(parts[0]) >= most:
            held -= len(parts.popleft())
            whole = False
    content = b"".join(parts)
    return End(content[-most:], whole and len(content) <= most)


def _part_in_time(answer: HTTPResponse, sock: socket.socket | None, ends_at: float) -> bytes:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError
    if sock is not None and sock.fileno() >= 0:
        sock.settimeout(left)
    return answer.read1(_PART)
