"""The run as one trace and its timeline as logs: whole, in order, the same whenever it is made."""

from __future__ import annotations

import builtins
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from reports import telemetry
from reports.language import Language
from runbook.errors import ReportError
from runbook.model import Run
from tests.reports import factory

ES = Language("es")


def spans(run: Run) -> list[Span]:
    """Every span, as a receiver decodes it."""
    sent = [request.content for request in telemetry.requests(run, ES) if request.path == telemetry.TRACES]
    decoded = [ExportTraceServiceRequest.FromString(content) for content in sent]
    return [span for one in decoded for of in one.resource_spans for scope in of.scope_spans for span in scope.spans]


def logs(run: Run) -> list[Any]:
    """Every log record."""
    sent = [request.content for request in telemetry.requests(run, ES) if request.path == telemetry.LOGS]
    decoded = [ExportLogsServiceRequest.FromString(content) for content in sent]
    return [one for all in decoded for of in all.resource_logs for scope in of.scope_logs for one in scope.log_records]


def said(attributes: Any) -> dict[str, Any]:
    """Attributes as a dictionary."""

    def value(one: KeyValue) -> Any:
        return getattr(one.value, one.value.WhichOneof("value") or "string_value")

    return {one.key: value(one) for one in attributes}


def test_a_span_for_the_run_each_row_action_proof_and_probe() -> None:
    run = factory.incident()
    found = spans(run)
    names = [span.name for span in found]
    assert len(found) == 1 + 9 + 2 + 1 + len(run.readings)
    assert names[0] == "muses-runbook"
    assert names.count("workers.start") == 2
    assert {record.row for record in run.records} <= set(names)
    assert "verification" in names
    assert "broker.queues(watched=True)" in names


def test_spans_hang_together() -> None:
    found = spans(factory.incident())
    ids = {span.span_id for span in found}
    root = found[0]
    assert len(ids) == len(found)
    assert {len(span.trace_id) for span in found} == {16}
    assert len({span.trace_id for span in found}) == 1
    assert {len(id) for id in ids} == {8}
    assert root.parent_span_id == b""
    assert all(span.parent_span_id in ids for span in found[1:])
    row = next(span for span in found if span.name == "QUEUE-01")
    assert [one.name for one in found if one.parent_span_id == row.span_id] == [
        "workers.start",
        "workers.start",
        "verification",
    ]
    probe = next(span for span in found if span.name == "broker.queues(watched=True)")
    assert [link.span_id for link in row.links] == [probe.span_id]


def test_times_are_those_of_the_run_to_the_microsecond() -> None:
    run = factory.incident()
    root, *others = spans(run)
    began = int(factory.START.timestamp()) * 10**9
    assert root.start_time_unix_nano == began
    assert root.end_time_unix_nano == began + 27_400_000_000
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in others)


def test_what_is_open_is_an_error_and_what_was_fixed_is_none() -> None:
    status = {span.name: span.status for span in spans(factory.incident())}
    bad = {name for name, one in status.items() if one.code == Status.STATUS_CODE_ERROR}
    assert bad == {"BACKUP-01", "ETL-01", "HOST-01", "hosts.disks()"}
    assert status["BACKUP-01"].message == "El respaldo verificado más reciente tiene 2 d 5 h"


def test_attributes_name_state_operation_and_failure() -> None:
    by_name = {span.name: said(span.attributes) for span in spans(factory.incident())}
    assert by_name["QUEUE-01"]["muses.state"] == "OK"
    assert by_name["QUEUE-01"]["muses.state.found"] == "CRITICAL"
    assert by_name["workers.start"]["muses.outcome"] == "done"
    assert by_name["hosts.disks()"]["error.type"] == "silent"
    assert by_name["muses-runbook"]["muses.fixing"] is True


def test_the_timeline_lies_beside_its_spans() -> None:
    run = factory.incident()
    records, found = logs(run), {span.span_id: span for span in spans(run)}
    assert len(records) == len(run.events)
    assert all(record.span_id in found for record in records)
    assert {record.trace_id for record in records} == {found[records[0].span_id].trace_id}
    fixed = next(record for record in records if said(record.attributes)["muses.kind"] == "fixed")
    assert fixed.body.string_value == "Corregido: el renglón vuelve a cumplirse"
    assert (fixed.severity_text, found[fixed.span_id].name) == ("INFO", "QUEUE-01")
    assert {record.severity_text for record in records} == {"INFO", "WARN", "ERROR"}


def test_the_resource_says_where_from() -> None:
    first = next(iter(telemetry.requests(factory.incident(), ES)))
    resource = ExportTraceServiceRequest.FromString(first.content).resource_spans[0].resource
    assert said(resource.attributes) == {
        "service.name": "muses-runbook",
        "service.version": "0.1.0",
        "deployment.environment.name": "lab",
        "host.name": "muses-guardia-01",
        "muses.site": "SEP-MUSES (laboratorio)",
    }


def test_the_same_run_gives_the_same_bytes_and_another_one_another_trace() -> None:
    run = factory.incident()
    other = msgspec.structs.replace(run, id="20261124T143105Z-0000")
    assert list(telemetry.requests(run, ES)) == list(telemetry.requests(run, ES))
    assert spans(run)[0].trace_id != spans(other)[0].trace_id


def test_much_goes_in_parts() -> None:
    run = factory.incident()
    many = msgspec.structs.replace(run, readings=run.readings * 300)
    sent = [request for request in telemetry.requests(many, ES) if request.path == telemetry.TRACES]
    assert len(sent) == 3
    assert len({span.span_id for span in spans(many)}) == 13 + 1500


def test_hostile_words_are_words() -> None:
    for span in spans(factory.hostile()):
        assert not set(span.name) & set("\x00\x1b\u202e")
    assert logs(factory.hostile())


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ReportError, match=r"muses-runbook\[otel\]"):
        list(telemetry.requests(factory.incident(), ES))
