"""A row's probable causes, confirmed ones first, each with the evidence for or against it."""

from __future__ import annotations

from collections.abc import Sequence

from reports.clean import label
from reports.panel.pen import LINE, Pen
from reports.shown import EvidenceView, FindingView
from reports.words import PROOFS
from runbook.model import Evidence, Finding, Proof

_ORDER = {Proof.CONFIRMED: 0, Proof.UNKNOWN: 1, Proof.RULED_OUT: 2}


def causes(pen: Pen, given: Sequence[Finding]) -> tuple[tuple[FindingView, ...], tuple[FindingView, ...], str]:
    """What is confirmed or open, what is ruled out, and how many are not shown."""
    ordered = sorted(given, key=lambda finding: _ORDER[finding.proof])
    views = [_finding(pen, finding) for finding in ordered[: pen.detail.findings]]
    open_ = tuple(view for view in views if view.proof != "ruled-out")
    return open_, tuple(views[len(open_) :]), pen.more(len(ordered) - len(views))


def _finding(pen: Pen, finding: Finding) -> FindingView:
    cause, summary = pen.say(finding.cause), pen.say(finding.summary)
    facts, most = finding.evidence, pen.detail.evidence
    return FindingView(
        proof=finding.proof.value.replace(" ", "-"),
        word=pen.language.say(PROOFS[finding.proof]),
        cause=cause or summary,
        summary=summary if cause and summary != cause else "",
        evidence=tuple(_evidence(pen, fact) for fact in facts[:most]),
        more_evidence=pen.more(len(facts) - most) if most else "",
        advice=() if pen.detail.brief else tuple(map(pen.say, finding.advice)),
    )


def _evidence(pen: Pen, evidence: Evidence) -> EvidenceView:
    sample = tuple(label(line, LINE) for line in evidence.sample[: pen.detail.samples])
    total = max(evidence.count or 0, len(evidence.sample))
    return EvidenceView(
        statement=pen.say(evidence.statement),
        source=pen.name(evidence.source),
        sample=sample,
        more=pen.more(total - len(sample)) if sample else "",
    )
