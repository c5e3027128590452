"""The three ways a diagnosis ends, and what evidence looks like. Pure but for yesterday's log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from runbook.errors import ProbeError
from runbook.model import Evidence, Finding, Proof
from runbook.text import Quantity, Text, per_minute, text

if TYPE_CHECKING:
    from runbook.targets.logs.correlation import Shared
    from runbook.targets.logs.logs import ErrorGroup, ErrorGroups, Logs

#: Lines or rows that one piece of evidence shows; how many there were is said beside them.
SHOWN = 5


def confirmed(summary: Text, *evidence: Evidence, advice: Iterable[Text] = (), **data: Any) -> Finding:
    """The cause is at work; ``data`` is for the remedy."""
    return Finding(proof=Proof.CONFIRMED, summary=summary, evidence=evidence, advice=tuple(advice), data=data)


def ruled_out(summary: Text, *evidence: Evidence) -> Finding:
    """The cause is not at work, and the evidence says so."""
    return Finding(proof=Proof.RULED_OUT, summary=summary, evidence=evidence)


def unknown(summary: Text, *evidence: Evidence) -> Finding:
    """The evidence does not decide."""
    return Finding(proof=Proof.UNKNOWN, summary=summary, evidence=evidence)


def told(findings: Mapping[str, Finding], cause: str, key: str) -> list[dict[str, Any]]:
    """What a confirmed cause left for the remedy under ``key``; nothing where it is not confirmed."""
    finding = findings[cause]
    return finding.data.get(key, []) if finding.proof is Proof.CONFIRMED else []


def fact(statement: Text, source: str, sample: Iterable[str] = ()) -> Evidence:
    """One fact, where it is from, and a few of its lines."""
    lines = tuple(sample)
    return Evidence(statement=statement, source=source, sample=lines[:SHOWN], count=len(lines) or None)


def logged(group: ErrorGroup, service: str) -> Evidence:
    """Errors of one shape in a service's log."""
    said = text(
        "{errors}, the last at {last}: {shape}",
        errors=Quantity(group.count, "errors"),
        last=group.last,
        shape=group.shape,
    )
    return Evidence(statement=said, source=log_of(service), sample=group.sample[:SHOWN], count=group.count)


def alike(groups: Iterable[ErrorGroup], service: str) -> Iterator[Evidence]:
    """What errors of a service have in common and the rest of its log has not, and which replicas log them."""
    for group in groups:
        yield from (_shared(one, service) for one in group.shared[:SHOWN])
        if len(group.by_replica) > 1:
            said = text("{errors} of this shape by replica", errors=Quantity(group.count, "errors"))
            yield fact(said, log_of(service), (f"{name}: {count}" for name, count in group.by_replica.items()))


def compared(logs: Logs, errors: ErrorGroups) -> Evidence:
    """How many errors a service logs, beside the same hour of yesterday where its logs reach back that far."""
    span = (errors.until - errors.since) / timedelta(minutes=1)
    now = per_minute(errors.errors / span if span else 0)
    try:
        usual = logs.usual(errors.service)
    except ProbeError as error:
        return fact(text("{rate} are logged; {problem}", rate=now, problem=str(error.said)), log_of(errors.service))
    then = per_minute(usual.per_minute)
    said = text("{rate} are logged, against {usual} in the same hour of yesterday", rate=now, usual=then)
    return fact(said, log_of(errors.service))


def _shared(one: Shared, service: str) -> Evidence:
    of = Quantity(one.of, "errors")
    known = {"failures": one.failures, "of": of, "field": one.field, "value": one.value}
    if not one.others_of:
        said = text("{failures} of {of} have {field} {value}; no other line names one", **known)
    else:
        said = text(
            "{failures} of {of} have {field} {value}; of the other {lines}, {others} have",
            lines=Quantity(one.others_of, "lines"),
            others=one.others,
            **known,
        )
    return fact(said, log_of(service))


def log_of(service: str) -> str:
    """How a service's log is named as a source: in words that both languages use."""
    return f"log: {service}"
