"""The wire between a purge and its database, which breaks where a test says: at what is sent, before or after it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

#: A transaction's end, as libpq sends it.
_COMMIT = b"COMMIT\x00"
#: A piece of rows that the client copies in: the message's type, behind it the length.
_COPY_DATA = b"d"

#: Where it breaks: when the server was not told to commit, when it has and the client does not hear of it, or with
#: half a piece of copied rows on the way.
Where = Literal["before the commit", "after the commit", "within the copy"]


@dataclass
class Break:
    """Breaks once, in the ``nth`` transaction in which ``marker`` was said."""

    marker: bytes
    where: Where
    nth: int = 1
    call: Callable[[], None] | None = None
    seen: int = 0
    done: threading.Event = field(default_factory=threading.Event)


@dataclass
class Wire:
    """A port in front of the server's."""

    port: int
    planned: Break | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def break_at(self, marker: bytes, where: Where, *, nth: int = 1, call: Callable[[], None] | None = None) -> Break:
        """Break there; ``call`` is what kills the client, else only this connection ends."""
        self.planned = Break(marker, where, nth, call)
        return self.planned


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    """The wire, whole until it is told to break."""
    listener = socket.create_server(("127.0.0.1", 0))
    wire = Wire(int(listener.getsockname()[1]))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                _Line(wire, client, socket.create_connection(("127.0.0.1", port))).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield wire
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(5)


class _Line:
    """One connection: both ways, and what was said on it since the last transaction ended."""

    def __init__(self, wire: Wire, client: socket.socket, server: socket.socket) -> None:
        self._wire, self._client, self._server = wire, client, server
        self._marked = self._deaf = False

    def start(self) -> None:
        for work in (self._forth, self._back):
            threading.Thread(target=work, daemon=True).start()

    def _forth(self) -> None:
        with suppress(OSError):
            while part := self._client.recv(1 << 20):
                planned = self._wire.planned
                if planned is None or planned.done.is_set() or not self._breaks(planned, part):
                    self._server.sendall(part)
                    continue
                if planned.where == "within the copy":
                    self._server.sendall(part[: len(part) // 2])
                self._deaf = planned.where == "after the commit"
                if self._deaf:
                    self._server.sendall(part)
                    return  # the other way ends it, once the server has answered
                self._end(planned)
        self._close()

    def _back(self) -> None:
        with suppress(OSError):
            while part := self._server.recv(1 << 20):
                planned = self._wire.planned
                if self._deaf and planned is not None:
                    self._end(planned)
                    break
                self._client.sendall(part)
        self._close()

    def _breaks(self, planned: Break, part: bytes) -> bool:
        self._marked = self._marked or planned.marker in part
        if not self._marked:
            return False
        if planned.where == "within the copy":
            return part.startswith(_COPY_DATA) and self._counts(planned)
        if _COMMIT not in part:
            return False
        self._marked = False
        return self._counts(planned)

    def _counts(self, planned: Break) -> bool:
        with self._wire.lock:
            planned.seen += 1
            return planned.seen == planned.nth

    def _end(self, planned: Break) -> None:
        if planned.call is not None:
            planned.call()
        planned.done.set()
        self._close()

    def _close(self) -> None:
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
