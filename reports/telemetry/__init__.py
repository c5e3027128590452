"""The run as OpenTelemetry's traces and logs, in the protobuf that OTLP/HTTP takes.

Made from the stored run alone, with ids that follow from the run's own: what is sent twice, a backend has once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from reports.language import Language
from runbook.errors import ReportError
from runbook.model import Run
from runbook.text import text

T = TypeVar("T")

CONTENT_TYPE = "application/x-protobuf"
TRACES, LOGS = "/v1/traces", "/v1/logs"
#: Spans or log records of one request: as many as OpenTelemetry's own exporters send.
BATCH = 512


class Request(NamedTuple):
    """One request: the path below the endpoint, and its body."""

    path: str
    content: bytes


class Rejected(NamedTuple):
    """How many spans or records a receiver did not take although it said yes, and why."""

    items: int
    why: str


def requests(run: Run, language: Language) -> Iterator[Request]:
    """The requests that tell of a run, traces first. Raises ReportError where the extra ``otel`` is not installed."""
    try:
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    except ImportError as error:
        said = text("OpenTelemetry needs the extra {extra}: pip install 'muses-runbook[otel]'", extra="otel")
        raise ReportError(said) from error
    from reports.telemetry import logs, spans

    for some in _batches(spans.of(run, language)):
        traces = ExportTraceServiceRequest(resource_spans=[spans.together(run, some)])
        yield Request(TRACES, traces.SerializeToString(deterministic=True))
    for records in _batches(logs.of(run, language)):
        told = ExportLogsServiceRequest(resource_logs=[logs.together(run, records)])
        yield Request(LOGS, told.SerializeToString(deterministic=True))


def rejected(path: str, answer: bytes) -> Rejected:
    """What the receiver's answer says was not taken."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        if path == TRACES:
            spans = ExportTraceServiceResponse.FromString(answer).partial_success
            return Rejected(spans.rejected_spans, spans.error_message)
        records = ExportLogsServiceResponse.FromString(answer).partial_success
        return Rejected(records.rejected_log_records, records.error_message)
    except DecodeError:  # some receivers say yes in words of their own
        return Rejected(0, "")


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(itertools.islice(rest, BATCH)):
        yield batch
