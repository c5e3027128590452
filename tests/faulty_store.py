"""An object store that fails as real ones do: a proxy in front of the lab's server, with faults to put in.

    with faulty_store(place) as store:
        settings = StorageSettings(endpoint_url=store.url, …)          # all else as for the server itself
        store.inject(cut_upload(), operation="PutObject", key="*.zst", nth=2)    # the second of them, once
        store.inject(unencrypted(), times=None)                                  # a server that lies, always
        store.inject(calls(lambda request: process.kill(), at="upload", cut=True), key="*/manifest.json")

The faults are in :mod:`tests.store_faults`. Requests pass as they were signed, the Host header with them; only a fault
that changes what was signed signs again, as the server's owner. Bodies are held whole; chunked ones are not known.
"""

from __future__ import annotations

import http.client
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lab.place import REGION, Place
from tests.store_faults import Answer, Fault, Request, Stage, without


@dataclass
class Injected:
    """A fault in place: which requests it hits, and how many it has."""

    fault: Fault
    operation: str
    method: str
    key: str
    nth: int
    times: int | None
    seen: int = 0
    hits: int = 0

    def due(self, request: Request) -> bool:
        """Whether this request is hit; counts it."""
        if not all(map(fnmatchcase, _named(request), (self.operation, self.method, self.key))):
            return False
        self.seen += 1
        hit = self.seen >= self.nth and (self.times is None or self.hits < self.times)
        self.hits += hit
        return hit


@dataclass
class FaultyStore:
    """The proxy: ``url`` is its address, ``requests`` all that came, in order."""

    url: str
    requests: list[Request] = field(default_factory=list)
    injected: list[Injected] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def inject(
        self,
        fault: Fault,
        *,
        operation: str = "*",
        method: str = "*",
        key: str = "*",
        nth: int = 1,
        times: int | None = 1,
    ) -> Injected:
        """Put a fault in: from the ``nth`` request on that fits all patterns, ``times`` of them (None: ever after)."""
        put = Injected(fault, operation, method, key, nth, times)
        with self._lock:
            self.injected.append(put)
        return put

    def clear(self) -> None:
        """Take all faults out and forget the requests."""
        with self._lock:
            self.injected.clear()
            self.requests.clear()

    def count(self, operation: str, key: str = "*") -> int:
        """How many requests fitted since the start."""
        with self._lock:
            return sum(fnmatchcase(one.operation, operation) and fnmatchcase(one.key, key) for one in self.requests)

    def due(self, request: Request) -> tuple[Fault, ...]:
        """The faults that hit this request."""
        with self._lock:
            self.requests.append(request)
            return tuple([put.fault for put in self.injected if put.due(request)])


@contextmanager
def faulty_store(place: Place) -> Iterator[FaultyStore]:
    """The proxy in front of the server of ``place``; an error of a callback is raised at the end."""
    server = _Server(place)
    accepting = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    accepting.start()
    try:
        yield server.store
    finally:
        server.shutdown()
        server.server_close()
        server.let_go()
        accepting.join(5)
    if server.store.broken:
        raise server.store.broken[0]


class _Cut(Exception):
    """The client's connection breaks now."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, place: Place) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.place, self.open = place, set[socket.socket]()
        self.store = FaultyStore(f"http://127.0.0.1:{self.server_address[1]}")

    def signed(self, request: Request) -> Request:
        """The request, signed by the server's owner."""
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        headers = dict(request.headers)
        url = f"http://{headers['Host']}{request.target}"
        again = AWSRequest(method=request.method, url=url, headers=headers, data=request.body)
        owner = [self.place.secret(f"storage-root-{part}-key") for part in ("access", "secret")]
        S3SigV4Auth(Credentials(*owner), "s3", REGION).add_auth(again)
        return replace(request, headers=tuple(again.headers.items()))

    def let_go(self) -> None:
        """End the connections that clients keep for later."""
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no news; anything else is an error of the test."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.store.broken.append(error)


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)
        self.upstream = http.client.HTTPConnection("127.0.0.1", self.server.place.ports.storage, timeout=60)

    def finish(self) -> None:
        self.upstream.close()
        self.server.open.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def serve(self) -> None:
        """One request, from its arrival to the last byte of its answer."""
        request = Request(self.command, self.path, without(tuple(self.headers.items()), "expect"))
        self.faults = self.server.store.due(request)
        try:
            self._call(request, "arrival")
            request = replace(request, body=self._body(request))
            answer = self._answer(request)
            self._call(request, "answered")
            if any(fault.lost for fault in self.faults):
                raise _Cut
            self._send(request, answer)
        except (_Cut, ConnectionError, http.client.HTTPException):
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _body(self, request: Request) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        share = min(fault.upload for fault in (*self.faults, Fault()))
        first = self._read(int(length * min(share, 0.5)))
        self._call(request, "upload")
        if share < 1:
            raise _Cut
        return first + self._read(length - len(first))

    def _read(self, count: int) -> bytes:
        body = self.rfile.read(count)
        if len(body) < count:
            raise _Cut
        return body

    def _answer(self, request: Request) -> Answer:
        for fault in self.faults:
            if fault.instead is not None:
                return fault.instead
        changed = request
        for fault in self.faults:
            changed = fault.asked(changed) if fault.asked else changed
        answer = self._forwarded(request if changed is request else self.server.signed(changed))
        for fault in self.faults:
            answer = fault.answered(answer) if fault.answered else answer
        return answer

    def _forwarded(self, request: Request) -> Answer:
        self.upstream.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers:
            self.upstream.putheader(name, value)
        self.upstream.endheaders(request.body or None)
        given = self.upstream.getresponse()
        body = given.read()
        return Answer(given.status, without(tuple(given.getheaders()), "connection", "transfer-encoding"), body)

    def _send(self, request: Request, answer: Answer) -> None:
        silent = request.method == "HEAD"
        self.send_response_only(answer.status)
        for name, value in answer.headers if silent else without(answer.headers, "content-length"):
            self.send_header(name, value)
        if not silent:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if not silent:
            self._send_body(request, answer.body)

    def _send_body(self, request: Request, body: bytes) -> None:
        share = min(fault.download for fault in (*self.faults, Fault()))
        half = int(len(body) * min(share, 0.5))
        self.wfile.write(body[:half])
        self._call(request, "download")
        if share < 1:
            raise _Cut
        self.wfile.write(body[half:])

    def _call(self, request: Request, stage: Stage) -> None:
        for fault in self.faults:
            if fault.call is not None and fault.at == stage:
                fault.call(request)
                if fault.cut:
                    raise _Cut


def _named(request: Request) -> tuple[str, str, str]:
    return request.operation, request.method, request.key
