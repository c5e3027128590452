"""The timeline of the run as log records, each beside the span of its row, in the language of the site."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import (
    SEVERITY_NUMBER_ERROR,
    SEVERITY_NUMBER_INFO,
    SEVERITY_NUMBER_WARN,
    LogRecord,
    ResourceLogs,
    ScopeLogs,
)

from reports.clean import label
from reports.language import Language
from reports.telemetry import parts
from runbook.model import Event, Run

_ERRORS = frozenset({"CRITICAL", "failed", "not fixed"})
_WARNINGS = frozenset({"WARNING", "UNKNOWN", "refused", "not proven"})


def of(run: Run, language: Language) -> Iterator[LogRecord]:
    """Every event of the run."""
    for event in run.events:
        yield _record(run, event, language)


def together(run: Run, records: Sequence[LogRecord]) -> ResourceLogs:
    """Some records with where they come from."""
    return ResourceLogs(
        resource=parts.resource(run), scope_logs=[ScopeLogs(scope=parts.scope(run), log_records=records)]
    )


def _record(run: Run, event: Event, language: Language) -> LogRecord:
    said = {"muses.run": run.id, "muses.kind": event.kind, **({"muses.row": event.row} if event.row else {})}
    record = LogRecord(
        time_unix_nano=parts.nanoseconds(event.at),
        observed_time_unix_nano=parts.nanoseconds(run.ended_at),
        event_name=f"muses.{label(event.kind, parts.NAME)}",
        body=AnyValue(string_value=parts.sentence(language.say(event.what))),
        attributes=parts.attributes(said),
        trace_id=parts.trace_id(run),
        span_id=parts.span_id(run, *(("row", event.row) if event.row else ("run",))),
    )
    _weigh(record, event.kind)
    return record


def _weigh(record: LogRecord, kind: str) -> None:
    if kind in _ERRORS:
        record.severity_number, record.severity_text = SEVERITY_NUMBER_ERROR, "ERROR"
    elif kind in _WARNINGS:
        record.severity_number, record.severity_text = SEVERITY_NUMBER_WARN, "WARN"
    else:
        record.severity_number, record.severity_text = SEVERITY_NUMBER_INFO, "INFO"
