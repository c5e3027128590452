"""Documents of Elasticsearch or OpenSearch, through their search API, which both share: the newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings.log_sources import Elastic
from runbook.targets.logs.asking import Asked
from runbook.targets.logs.files import Tail
from runbook.targets.logs.times import Clock
from runbook.text import text

#: ``index.max_result_window`` unless the site has raised it.
MOST = 10_000
#: A document takes about so much on its way.
_BYTES = 1024
_FRAMED = 4
#: Where agents write who logged.
#: What is asked for of a document: agents put kilobytes of their own beside it.
_FIELDS = (
    "message",
    "msg",
    "timestamp",
    "level",
    "severity",
    "log.level",
    "error_details",
    "exception",
    "error.message",
)
_REPLICAS = ("kubernetes.pod.name", "container.name", "host.name", "host.hostname", "agent.hostname", "host")


class _Hit(msgspec.Struct, frozen=True):
    index: str = msgspec.field(default="", name="_index")
    source: dict[str, Any] = msgspec.field(default={}, name="_source")


class _Hits(msgspec.Struct, frozen=True):
    hits: tuple[_Hit, ...] = ()


class _Shards(msgspec.Struct, frozen=True):
    total: int = 0
    failed: int = 0


class _Answer(msgspec.Struct, frozen=True):
    hits: _Hits = _Hits()
    timed_out: bool = False
    shards: _Shards = msgspec.field(default=_Shards(), name="_shards")


def read_documents(source: Elastic, asked: Asked) -> list[Tail]:
    """The newest documents of an index pattern, a tail for each replica.

    Raises ProbeError, also for an answer in part: what a shard would have said is not known.
    """
    web = asked.web(source.server)
    most = min(MOST, max(asked.most // _BYTES, 1))
    path = f"/{quote(source.indices, safe='*,-_')}/_search?ignore_unavailable=false&allow_no_indices=false"
    body = msgspec.json.encode(_search(source, asked, most))
    answer = web.json(path, _Answer, most=_FRAMED * asked.most, body=body)
    if answer.timed_out or answer.shards.failed:
        said = text(
            "{where} answered in part only: {failed} of {total} shards failed, or it took too long",
            where=web.address,
            failed=answer.shards.failed,
            total=answer.shards.total,
        )
        raise ProbeError(asked.target, ProbeFailure.BROKEN, said)
    return _tails(answer.hits.hits, source, whole=len(answer.hits.hits) < most)


def _search(source: Elastic, asked: Asked, most: int) -> dict[str, Any]:
    span = {"gte": asked.since.isoformat(), "lte": asked.until.isoformat(), "format": "strict_date_optional_time"}
    wanted = [{"range": {source.time: span}}, {"query_string": {"query": source.query}}]
    return {
        "size": most,
        "_source": [source.time, *_FIELDS, *_REPLICAS, *asked.settings.correlate],
        "sort": [{source.time: {"order": "desc", "unmapped_type": "date"}}],
        "query": {"bool": {"filter": wanted}},
        "track_total_hits": False,
        "timeout": "3s",
    }


def _tails(hits: tuple[_Hit, ...], source: Elastic, *, whole: bool) -> list[Tail]:
    replicas: dict[str, list[tuple[datetime, bytes]]] = {}
    for hit in reversed(hits):
        at = Clock(datetime.now(UTC)).read(str(_field(hit.source, source.time) or ""))
        if at is not None:
            replicas.setdefault(_replica(hit), []).append((at, _said(hit.source)))
    return [_tail(name, said, whole) for name, said in replicas.items()]


def _tail(name: str, said: list[tuple[datetime, bytes]], whole: bool) -> Tail:
    stamps, words = tuple(at for at, _ in said), tuple(word for _, word in said)
    return Tail(Path(name), words, whole, sum(map(len, words)), stamps[-1], stamps, name)


def _replica(hit: _Hit) -> str:
    named = (_field(hit.source, name) for name in _REPLICAS)
    return next((name for name in named if isinstance(name, str) and name), hit.index)


def _said(document: dict[str, Any]) -> bytes:
    """The service's own line where the agent passed it on as it was, else the document in its form (ECS)."""
    message = document.get("message")
    if isinstance(message, str) and message.startswith("{"):
        return message.encode()
    told = {
        "level": str(_field(document, "log.level") or document.get("level") or "") or None,
        "message": message,
        "error_details": document.get("error_details") or _field(document, "error.message"),
    }
    plain = {name: value for name, value in document.items() if isinstance(value, str | int | float)}
    return msgspec.json.encode({**plain, "@timestamp": None, "timestamp": None, **told})


def _field(document: dict[str, Any], dotted: str) -> Any:
    """A field that is written as ``a.b`` or as ``b`` within ``a``."""
    if dotted in document:
        return document[dotted]
    first, _, rest = dotted.partition(".")
    inner = document.get(first)
    return _field(inner, rest) if rest and isinstance(inner, dict) else None
