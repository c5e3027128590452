"""Real HTTP servers that take metrics and telemetry as their documentation says: what arrives is kept, decoded.

Recorded contracts: the Pushgateway's API (https://github.com/prometheus/pushgateway#api, 1.11) and OTLP/HTTP
(https://opentelemetry.io/docs/specs/otlp/#otlphttp, 1.7).
"""

from __future__ import annotations

import base64
import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from prometheus_client.parser import text_string_to_metric_families

Answer = tuple[int, bytes]


@dataclass
class Receiver:
    """What it is at and what it was sent. ``answers`` are given before its own; ``token`` is what it asks for."""

    port: int = 0
    token: str | None = None
    answers: list[Answer] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    groups: dict[tuple[tuple[str, str], ...], str] = field(default_factory=dict)
    traces: list[ExportTraceServiceRequest] = field(default_factory=list)
    logs: list[ExportLogsServiceRequest] = field(default_factory=list)
    rejects: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, path: str, body: bytes) -> Answer:
        """PUT /metrics/job/NAME{/LABEL/VALUE}: replaces all metrics of the group."""
        parts = path.split("/")
        if parts[1] != "metrics" or parts[2] != "job" or len(parts) % 2:
            return 404, b""
        try:
            samples = [one for family in text_string_to_metric_families(body.decode()) for one in family.samples]
        except ValueError as error:
            return 400, str(error).encode()
        if any(sample.timestamp is not None for sample in samples) or not body.endswith(b"\n"):
            return 400, b"pushed metrics must not have timestamps"
        self.groups[tuple(map(_label, parts[2::2], parts[3::2]))] = body.decode()
        return 200, b""

    def post(self, path: str, body: bytes) -> Answer:
        """POST /v1/traces and /v1/logs; 400 for what does not decode."""
        try:
            if path == "/v1/traces":
                self.traces.append(ExportTraceServiceRequest.FromString(body))
                answer = ExportTraceServiceResponse()
                answer.partial_success.rejected_spans = self.rejects
                answer.partial_success.error_message = "quota of ana@ejemplo.invalid" if self.rejects else ""
                return 200, answer.SerializeToString()
            if path == "/v1/logs":
                self.logs.append(ExportLogsServiceRequest.FromString(body))
                return 200, ExportLogsServiceResponse().SerializeToString()
        except DecodeError:
            return 400, b""
        return 404, b""


def _label(name: str, value: str) -> tuple[str, str]:
    if name.endswith("@base64"):
        return name.removesuffix("@base64"), base64.urlsafe_b64decode(value).decode()
    return name, unquote(value)


@contextmanager
def receiving(token: str | None = None) -> Iterator[Receiver]:
    """A receiver at a free port of the loopback; gone at the end."""
    receiver = Receiver(token=token)

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self._take("text/plain", receiver.put)

        def do_POST(self) -> None:
            self._take("application/x-protobuf", receiver.post)

        def log_message(self, *_: object) -> None:
            """Nothing: a test's output is its result."""

        def _take(self, kind: str, take: object) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.heads.append(dict(self.headers))
            status, said = self._answer(kind, take, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            if status // 100 == 3:
                self.send_header("Location", f"{receiver.url}/elsewhere")
            self.end_headers()
            self.wfile.write(said)

        def _answer(self, kind: str, take: object, body: bytes) -> Answer:
            if receiver.token and self.headers.get("Authorization") != receiver.token:
                return 401, b"who is there?"
            if receiver.answers:
                return receiver.answers.pop(0)
            if not self.headers["Content-Type"].startswith(kind):
                return 415, b""
            answer: Answer = take(self.path, body)  # type: ignore[operator]
            return answer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = int(server.server_address[1])
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    serving.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        serving.join(5)
