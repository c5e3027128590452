"""Servers that fail in ways real ones do: silent, absent, speaking something else, and TLS in front of another."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def silent_port(greeting: bytes = b"") -> Iterator[int]:
    """A port that accepts connections, says the greeting at most, and never answers."""
    held: list[socket.socket] = []

    def serve(client: socket.socket) -> None:
        held.append(client)
        client.sendall(greeting)

    with _listening(serve) as port:
        yield port
    for client in held:
        client.close()


@contextmanager
def fixed_answer(answer: bytes) -> Iterator[int]:
    """A port that answers anything at all with the same bytes and closes."""

    def serve(client: socket.socket) -> None:
        with client:
            client.recv(65536)
            client.sendall(answer)

    with _listening(serve) as port:
        yield port


def refused_port() -> int:
    """A port where nobody listens; it stays taken while this process lives, so that nobody else does either."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = int(held.getsockname()[1])
        held.detach()
        return port


def free_port() -> int:
    """A port for a server that is started next."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@contextmanager
def tls_in_front_of(port: int, folder: Path) -> Iterator[tuple[int, Path]]:
    """A port that speaks TLS for ``localhost`` and passes everything on to ``port``; with the authority's file."""
    certificate, key = folder / "server.pem", folder / "server.key"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    made = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    out = ("-days", "2", "-keyout", str(key), "-out", str(certificate))
    subprocess.run([*made, *subject, *out], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(client: socket.socket) -> None:
        with suppress(OSError), client, context.wrap_socket(client, server_side=True) as outside:
            _pass_on(outside, port)

    with _listening(serve) as front:
        yield front, certificate


def _pass_on(outside: ssl.SSLSocket, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as inside:
        back = threading.Thread(target=_pump, args=(inside, outside), daemon=True)
        back.start()
        _pump(outside, inside)
        inside.shutdown(socket.SHUT_RDWR)
        back.join(5)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)


@contextmanager
def _listening(serve: object) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()  # type: ignore[arg-type]

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(5)
