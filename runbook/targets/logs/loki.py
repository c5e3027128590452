"""Streams of Grafana Loki, through its HTTP API: the newest first, page by page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings.log_sources import Loki
from runbook.targets.logs.asking import Asked
from runbook.targets.logs.files import Tail
from runbook.targets.web import Web
from runbook.text import text

#: What Loki gives at once unless its own limits say otherwise (``max_entries_limit_per_query``).
PAGE = 5000
_PAGES = 8
#: An entry with its labels and the framing takes so much more than its words.
_FRAMED = 4
#: A selector that found no stream in so long is a wrong one.
_KNOWN = timedelta(days=1)
_LEVELS = ("detected_level", "level", "severity")


class _Stream(msgspec.Struct, frozen=True):
    labels: dict[str, str] = msgspec.field(name="stream")
    values: tuple[tuple[Any, ...], ...] = ()


class _Streams(msgspec.Struct, frozen=True):
    kind: str = msgspec.field(name="resultType")
    result: tuple[_Stream, ...] = ()


class _Answer(msgspec.Struct, frozen=True):
    data: _Streams


class _Series(msgspec.Struct, frozen=True):
    data: tuple[dict[str, str], ...] = ()


class _Entry(msgspec.Struct, frozen=True):
    """One line at its time, in nanoseconds, and the replica that wrote it."""

    at: int
    replica: str
    words: bytes


def read_streams(source: Loki, asked: Asked) -> list[Tail]:
    """The newest lines of the streams that the selector finds, a tail for each replica. Raises ProbeError."""
    access = asked.access(source.server)
    web = asked.web(source.server, **({"X-Scope-OrgID": access.tenant} if access.tenant else {}))
    found, whole = _paged(web, source, asked)
    if not found:
        _known(web, source, asked)
    replicas: dict[str, list[_Entry]] = {}
    for entry in sorted(found, key=lambda entry: entry.at):
        replicas.setdefault(entry.replica, []).append(entry)
    return [_tail(name, entries, whole) for name, entries in replicas.items()]


def _paged(web: Web, source: Loki, asked: Asked) -> tuple[set[_Entry], bool]:
    """All entries between the two moments, and whether they are all. A page ends where the one before began.

    The end of a request is excluded and several entries may have one time: pages overlap by a nanosecond.
    """
    found: set[_Entry] = set()
    start, end = _nanoseconds(asked.since), _nanoseconds(asked.until)
    for _ in range(_PAGES):
        page = _asked(web, source, start, end, asked.most)
        known = len(found)
        found |= page
        if len(page) < PAGE:
            return found, True
        end = min(entry.at for entry in page) + 1
        if sum(len(entry.words) for entry in found) >= asked.most or len(found) == known:
            break
    return found, False


def _asked(web: Web, source: Loki, start: int, end: int, most: int) -> set[_Entry]:
    query = {"query": source.query, "start": str(start), "end": str(end), "limit": str(PAGE), "direction": "backward"}
    data = web.json("/loki/api/v1/query_range", _Answer, query, most=_FRAMED * most).data
    if data.kind != "streams":
        said = text("{query} is no query for lines: Loki answered with a {kind}", query=source.query, kind=data.kind)
        raise ProbeError(web.target, ProbeFailure.BROKEN, said)
    return {
        _Entry(int(value[0]), _replica(stream.labels, source), _said(stream.labels, str(value[1])))
        for stream in data.result
        for value in stream.values
    }


def _known(web: Web, source: Loki, asked: Asked) -> None:
    """Silence and a selector that finds nothing look alike. Raises ProbeError(ABSENT) for the latter."""
    selector = source.query[: source.query.find("}") + 1] or source.query
    start = asked.until - _KNOWN
    query = {"match[]": selector, "start": str(_nanoseconds(start)), "end": str(_nanoseconds(asked.until))}
    if not web.json("/loki/api/v1/series", _Series, query, most=asked.most).data:
        said = text(
            "{where} has had no stream {selector} for a day ({setting})",
            where=web.address,
            selector=selector,
            setting=asked.setting,
        )
        raise ProbeError(asked.target, ProbeFailure.ABSENT, said)


def _tail(name: str, entries: list[_Entry], whole: bool) -> Tail:
    stamps = tuple(datetime.fromtimestamp(entry.at / 1e9, UTC) for entry in entries)
    words = tuple(entry.words for entry in entries)
    return Tail(Path(name), words, whole, sum(map(len, words)), stamps[-1], stamps, name)


def _replica(labels: dict[str, str], source: Loki) -> str:
    named = (labels.get(name) for name in (source.replica, "pod", "host", "filename", "container"))
    return next(filter(None, named), "loki")


def _said(labels: dict[str, str], words: str) -> bytes:
    """The line; one without a level of its own says that of its stream where that is an error."""
    level = next((labels[name] for name in _LEVELS if name in labels), "")
    if not words.startswith("{") and level.lower() in ("error", "critical", "fatal"):
        return msgspec.json.encode({"level": "ERROR", "message": words})
    return words.encode()


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1e6) * 1000
