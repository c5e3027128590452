"""``siged``: the web service that is told of consolidated enrolments. It takes everything and logs how many.

HTTP over a socket in the lab's own folder: it needs no port, so that labs do not meet.
"""

from __future__ import annotations

import json
import socket
import sys
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer

from lab.place import Place
from lab.services import SIGED
from lab.services.runtime import Service

#: How long a caller waits for an answer, s.
PATIENCE = 2.0


class Receiver(ThreadingMixIn, UnixStreamServer):
    """Answers each caller on a thread of its own; ``service`` logs."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, service: Service) -> None:
        self.service = service
        where = socket_of(service.place)
        where.unlink(missing_ok=True)
        super().__init__(str(where), Notification)

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that hung up is a line of the log like any other: the server's own form is a traceback."""
        self.service.log("ERROR", "No se pudo atender a quien llamó", error_details=repr(sys.exception()))


class Notification(BaseHTTPRequestHandler):
    """``POST /notificaciones`` with ``{"inscripciones": [number, …]}``."""

    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            count = len(json.loads(body)["inscripciones"])
        except (ValueError, KeyError, TypeError):
            self.send_error(400)
            return
        self.server.service.log("INFO", f"Recibidas {count} notificaciones")
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the service's own lines say it."""


class _Caller(HTTPConnection):
    def __init__(self, where: Path) -> None:
        super().__init__("siged", timeout=PATIENCE)
        self.where = where

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self.where))


def socket_of(place: Place) -> Path:
    """Where SIGED listens."""
    return place.sockets / "siged.sock"


def notify(place: Place, body: bytes) -> None:
    """Post one notification. Raises OSError or HTTPException where SIGED does not take it."""
    caller = _Caller(socket_of(place))
    try:
        caller.request("POST", "/notificaciones", body, {"Content-Type": "application/json"})
        answer = caller.getresponse()
        if answer.status >= 300:
            raise HTTPException(f"SIGED answered {answer.status} {answer.reason}")
    finally:
        caller.close()


def main() -> None:
    with Receiver(Service.from_arguments(SIGED)) as receiver:
        receiver.serve_forever(poll_interval=60)


if __name__ == "__main__":
    main()
