"""A real HTTP server that answers as an API's documentation says: what it is asked is kept, what it says is told."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None


@dataclass
class Contract:
    """What the server is at, what it was asked, and what it answers: a status and JSON, text or bytes."""

    answer: Callable[[Asked], tuple[int, Any]]
    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def answering(answer: Callable[[Asked], tuple[int, Any]], socket: Path | None = None) -> Iterator[Contract]:
    """The server, at a free port of the loopback or at a Unix socket; gone at the end."""
    contract = Contract(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def address_string(self) -> str:
            return "client"

        def log_message(self, *_: object) -> None:
            """Nothing: a test's output is its result."""

        def _answer(self, body: Any) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            asked = Asked(self.command, unquote(url.path), query, dict(self.headers), body)
            contract.asked.append(asked)
            status, said = answer(asked)
            content = (
                said if isinstance(said, bytes) else (said if isinstance(said, str) else json.dumps(said)).encode()
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    server = Unix(str(socket), Handler) if socket else ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    contract.port = 0 if socket else int(server.server_address[1])
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    serving.start()
    try:
        yield contract
    finally:
        server.shutdown()
        server.server_close()
        serving.join(5)
