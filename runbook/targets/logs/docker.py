"""Containers of a Docker Engine, through its API: at its socket, or over TLS with a client's certificate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings.log_sources import Docker
from runbook.targets.logs.asking import Asked, replicas
from runbook.targets.logs.files import Tail, lines_of
from runbook.targets.web import End, Web
from runbook.text import text

#: More replicas than this are not asked.
MOST = 100
_LISTED = 4 * 1024**2
#: Lines are asked for by number, so that the engine itself begins near the end; shorter ones than this are rare.
SHORTEST_LINE = 40
_HEADER = 8
_STREAMS = (0, 1, 2)


class _Container(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="Id")
    names: tuple[str, ...] = msgspec.field(default=(), name="Names")

    @property
    def name(self) -> str:
        return self.names[0].lstrip("/") if self.names else self.id[:12]


class Frames:
    """Takes the engine's framing off: eight bytes (stream, three zeros, length) before each part of a stream.

    A container with a terminal has one stream and no framing: what does not begin like a frame is passed on as it is.
    """

    def __init__(self) -> None:
        self._pending = b""
        self._left = 0
        self._plain: bool | None = None

    def feed(self, part: bytes) -> bytes:
        """What the containers wrote, without the headers between."""
        self._pending += part
        if self._plain is None and len(self._pending) >= _HEADER:
            self._plain = not _is_header(self._pending)
        if self._plain:
            said, self._pending = self._pending, b""
            return said
        return b"".join(self._unframed())

    def _unframed(self) -> Iterator[bytes]:
        while self._pending:
            if not self._left:
                if len(self._pending) < _HEADER:
                    return
                self._left = int.from_bytes(self._pending[4:_HEADER], "big")
                self._pending = self._pending[_HEADER:]
            said, self._pending = self._pending[: self._left], self._pending[self._left :]
            self._left -= len(said)
            yield said


def read_containers(source: Docker, asked: Asked) -> list[Tail]:
    """The newest lines of every container that the filters find, also of those that ended. Raises ProbeError."""
    web = asked.web(source.engine)
    filters: dict[str, list[str]] = {}
    for name, value in source.filters:
        filters.setdefault(name, []).append(value)
    query = {"all": "true", "limit": str(MOST), "filters": msgspec.json.encode(filters).decode()}
    found = web.json("/containers/json", tuple[_Container, ...], query, most=_LISTED)
    if not found:
        named = ", ".join(f"{name}={value}" for name, value in source.filters)
        said = text(
            "{where} has no container with {filters} ({setting})",
            where=web.address,
            filters=named,
            setting=asked.setting,
        )
        raise ProbeError(asked.target, ProbeFailure.ABSENT, said)
    return replicas(lambda container: [_tail(web, container, asked)], found, asked)


def _tail(web: Web, container: _Container, asked: Asked) -> Tail:
    most = max(asked.most // SHORTEST_LINE, 1)
    query = {
        "stdout": "true",
        "stderr": "true",
        "timestamps": "true",
        "since": f"{asked.since.timestamp():.6f}",
        "until": f"{asked.until.timestamp():.6f}",
        "tail": str(most),
    }
    path = f"/containers/{quote(container.id, safe='')}/logs"
    return stamped(web.end(path, query, most=asked.most, strain=Frames().feed), container.name, most)


def stamped(end: End, name: str, most: int) -> Tail:
    """The tail of lines that each begin with their time in RFC 3339, as Docker and Kubernetes write them.

    ``most`` is the number of lines that were asked for: as many of them are not all.
    """
    lines = lines_of(end.content, whole=end.whole)
    known = [
        (at, words)
        for line in lines
        if (at := _moment(line[:40].split(b" ")[0]))
        for words in [line.partition(b" ")[2]]
    ]
    whole = end.whole and len(lines) < most
    newest = known[-1][0] if known else datetime.now(UTC)
    stamps, said = tuple(at for at, _ in known), tuple(words for _, words in known)
    return Tail(Path(name), said, whole, len(end.content), newest, stamps, name)


def _moment(words: bytes) -> datetime | None:
    """The time at a line's beginning, in nanoseconds there."""
    day, point, rest = words.decode("latin-1").partition(".")
    fraction = rest.rstrip("Z")[:6].ljust(6, "0") if point else "000000"
    try:
        return datetime.fromisoformat(f"{day.rstrip('Z')}.{fraction}+00:00")
    except ValueError:
        return None


def _is_header(begin: bytes) -> bool:
    return begin[0] in _STREAMS and begin[1:4] == b"\0\0\0"
