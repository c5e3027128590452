"""What spans and log records have in common: ids, times, attributes, where they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from reports.clean import label
from runbook.model import Run

#: Characters of a name, and of a sentence.
NAME, SENTENCE = 200, 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Said = Mapping[str, str | bool]


def trace_id(run: Run) -> bytes:
    """The id of a run's trace: 16 bytes."""
    return _digest(run.id)[:16]


def span_id(run: Run, *parts: str) -> bytes:
    """The id of one span of the run: 8 bytes. Without parts it is the root's."""
    return _digest(run.id, "span", *parts)[:8]


def nanoseconds(at: datetime) -> int:
    """Since 1970, to the microsecond: as a float the time would lose them."""
    return max(0, (at - _EPOCH) // timedelta(microseconds=1) * 1000)


def sentence(words: str) -> str:
    """Outside words as they may be sent."""
    return label(words, SENTENCE)


def attributes(said: Said) -> list[KeyValue]:
    """Words and yes or no, by their names."""
    return [KeyValue(key=name, value=_value(given)) for name, given in said.items()]


def resource(run: Run) -> Resource:
    """Where the run was made."""
    environment = run.environment
    said = {
        "service.name": "muses-runbook",
        "service.version": environment.versions.get("muses-runbook", ""),
        "deployment.environment.name": environment.name,
        "host.name": environment.host,
        "muses.site": environment.site,
    }
    return Resource(attributes=attributes(said))


def scope(run: Run) -> InstrumentationScope:
    """Who tells it."""
    return InstrumentationScope(
        name="muses-runbook", version=label(run.environment.versions.get("muses-runbook", ""), NAME)
    )


def _value(given: str | bool) -> AnyValue:
    return AnyValue(bool_value=given) if isinstance(given, bool) else AnyValue(string_value=sentence(given))


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).digest()
