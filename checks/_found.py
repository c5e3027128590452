"""The three ways a diagnosis ends, and what evidence looks like. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from runbook.model import Evidence, Finding, Proof
from runbook.text import Quantity, Text, text

if TYPE_CHECKING:
    from runbook.targets.logs.logs import ErrorGroup

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


def log_of(service: str) -> str:
    """How a service's log is named as a source: in words that both languages use."""
    return f"log: {service}"
