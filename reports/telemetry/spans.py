"""The run as one trace: the run is the root, a row a span below it with its actions and its proof.

A probe is a span beside the rows, and each row that judged by it is linked to it: it is asked once, however many ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from reports.clean import label
from reports.language import Language
from reports.telemetry import parts
from runbook.model import Action, Outcome, Reading, Record, Run, State, final, is_waived

_ROOT = ("run",)
_BAD = frozenset({State.CRITICAL, State.WARNING, State.UNKNOWN})
_UNDONE = frozenset({Outcome.FAILED, Outcome.REFUSED})

When = tuple[datetime, datetime]
Id = tuple[str, ...]


def of(run: Run, language: Language) -> Iterator[Span]:
    """Every span of the run, the root first."""
    return _Spans(run, language).all()


def together(run: Run, spans: Sequence[Span]) -> ResourceSpans:
    """Some spans with where they come from."""
    return ResourceSpans(resource=parts.resource(run), scope_spans=[ScopeSpans(scope=parts.scope(run), spans=spans)])


class _Spans:
    def __init__(self, run: Run, language: Language) -> None:
        self.run, self.language = run, language
        self.probes = {f"{one.target}.{one.request}": ("probe", str(place)) for place, one in enumerate(run.readings)}

    def all(self) -> Iterator[Span]:
        run = self.run
        said: parts.Said = {"muses.run": run.id, "muses.fixing": run.fixing, "muses.interrupted": run.interrupted}
        yield self.span("muses-runbook", (run.started_at, run.ended_at), _ROOT, said, parent=())
        for record in run.records:
            yield self.row(record)
            yield from self.actions(record)
            yield from self.proof(record)
        for place, reading in enumerate(run.readings):
            yield self.probe(reading, ("probe", str(place)))

    def row(self, record: Record) -> Span:
        """Open and not waived is an error; what is in order has no status, as the specification wants it."""
        verdict = final(record)
        said: parts.Said = {
            "muses.row": record.row,
            "muses.section": record.section,
            "muses.state": str(verdict.state),
            "muses.state.found": str(record.verdict.state),
            "muses.waived": is_waived(record),
            "muses.title": self.language.say(record.title),
        }
        span = self.span(record.row, _time_of(record), _id(record), said)
        if verdict.state in _BAD and not is_waived(record):
            self.fail(span, self.language.say(verdict.summary))
        for request in record.verdict.readings:
            if request in self.probes:
                probe = parts.span_id(self.run, *self.probes[request])
                span.links.add(trace_id=parts.trace_id(self.run), span_id=probe)
        return span

    def actions(self, record: Record) -> Iterator[Span]:
        for place, action in enumerate(record.actions):
            when = (action.started_at, action.started_at + action.took)
            name, id = f"{action.step.target}.{action.step.operation}", ("action", record.row, str(place))
            span = self.span(name, when, id, self.of_action(record, action), parent=_id(record))
            if action.outcome in _UNDONE:
                self.fail(span, self.language.say(action.result))
            yield span

    def of_action(self, record: Record, action: Action) -> parts.Said:
        step = action.step
        return {
            "muses.row": record.row,
            "muses.target": step.target,
            "muses.operation": step.operation,
            "muses.risk": str(step.risk),
            "muses.effect": str(step.effect),
            "muses.outcome": str(action.outcome),
            "muses.step": self.language.say(step.what),
        }

    def proof(self, record: Record) -> Iterator[Span]:
        if (proof := record.verification) is not None:
            when = (proof.verdict.judged_at - proof.took, proof.verdict.judged_at)
            said = {"muses.row": record.row, "muses.proven": str(proof.proven), "muses.state": str(proof.verdict.state)}
            yield self.span("verification", when, ("proof", record.row), said, parent=_id(record))

    def probe(self, reading: Reading, id: Id) -> Span:
        """Without its value: that is much, and a trace is no place for it."""
        said = {"muses.target": reading.target, "muses.request": reading.request}
        if reading.error is not None:
            said["error.type"] = reading.failure or "broken"
        when = (reading.taken_at, reading.taken_at + reading.took)
        span = self.span(f"{reading.target}.{reading.request}", when, id, said, kind=Span.SPAN_KIND_CLIENT)
        if reading.error is not None:
            self.fail(span, reading.error)
        return span

    def span(
        self,
        name: str,
        when: When,
        id: Id,
        said: parts.Said,
        *,
        parent: Id = _ROOT,
        kind: Span.SpanKind.ValueType = Span.SPAN_KIND_INTERNAL,
    ) -> Span:
        return Span(
            trace_id=parts.trace_id(self.run),
            span_id=parts.span_id(self.run, *id),
            parent_span_id=parts.span_id(self.run, *parent) if parent else b"",
            name=label(name, parts.NAME),
            kind=kind,
            start_time_unix_nano=parts.nanoseconds(when[0]),
            end_time_unix_nano=parts.nanoseconds(when[1]),
            attributes=parts.attributes(said),
        )

    def fail(self, span: Span, why: str) -> None:
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=parts.sentence(why)))


def _id(record: Record) -> Id:
    return ("row", record.row)


def _time_of(record: Record) -> When:
    """From the beginning of its judgement to its last action or its proof."""
    judged = record.verdict.judged_at
    ends = [judged, *(action.started_at + action.took for action in record.actions)]
    if record.verification is not None:
        ends.append(record.verification.verdict.judged_at)
    return judged - record.took, max(ends)
