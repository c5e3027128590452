"""One row of the run as every format shows it: in the reader's language, capped and harmless.

The worst rows are shown in full. Past a limit they are brief: every cause still named, samples left to the JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from reports.clean import label, shortened
from reports.figures import bar, spark
from reports.findings import FoundFile
from reports.language import Language
from reports.shown import ActionView, EvidenceView, FindingView, Mark, MeasureView, Panel, StepView, TrendView
from reports.story import Change, tell, worst_measure
from reports.words import (
    CHOICES,
    EFFECTS,
    OUTCOMES,
    PROOFS,
    RISKS,
    SHAPES,
    STANDINGS,
    Standing,
    of_state,
    section,
    standing,
)
from runbook.model import Action, Evidence, Finding, Measure, Proof, Record, Step, Verdict, Waived
from runbook.redact import masked
from runbook.text import Quantity, Text

#: Characters of a line of a sample, of a name.
LINE, NAME = 260, 120
_ANCHOR = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_PROOF_ORDER = {Proof.CONFIRMED: 0, Proof.UNKNOWN: 1, Proof.RULED_OUT: 2}


class Detail(msgspec.Struct, frozen=True):
    """How much of a row is shown: characters of a paragraph, and how many of each thing; the rest is counted."""

    brief: bool
    paragraph: int
    measures: int
    findings: int
    evidence: int
    steps: int
    samples: int = 4
    changes: int = 8


IN_FULL = Detail(brief=False, paragraph=700, measures=8, findings=30, evidence=4, steps=20)
IN_BRIEF = Detail(brief=True, paragraph=240, measures=1, findings=12, evidence=0, steps=3)
IN_A_LINE = Detail(brief=True, paragraph=120, measures=1, findings=1, evidence=0, steps=1)


def mark(of: Standing, language: Language) -> Mark:
    """Shape and word of a standing."""
    return Mark(of.value, SHAPES[of], language.say(STANDINGS[of]))


def panel(
    record: Record,
    until: datetime,
    language: Language,
    detail: Detail = IN_FULL,
    *,
    place: int = 0,
    files: Sequence[FoundFile] = (),
) -> Panel:
    """One record as a panel, told at a moment; ``files`` are what it found as CSV.

    ``place`` makes an anchor for an id that cannot be one.
    """
    return _Drawing(language, detail).panel(record, until, place, files)


class _Drawing:
    def __init__(self, language: Language, detail: Detail) -> None:
        self.language, self.detail = language, detail

    def panel(self, record: Record, until: datetime, place: int, files: Sequence[FoundFile]) -> Panel:
        verdict, proof, plan, decision = record.verdict, record.verification, record.plan, record.decision
        steps, actions, most = plan.steps if plan else (), record.actions, self.detail.steps
        open_, ruled_out, more = self.findings(record.findings)
        return Panel(
            row=label(record.row, NAME),
            anchor=f"row-{record.row if _ANCHOR.fullmatch(record.row) else place}",
            title=self.say(record.title).rstrip(".") or label(record.row, NAME),
            why="" if self.detail.brief else self.say(record.why),
            source=label(record.source, NAME),
            section=self.say(section(record.section)),
            mark=mark(standing(record), self.language),
            found=mark(of_state(verdict.state), self.language),
            summary=self.say(verdict.summary),
            story=tell(record, until, self.language),
            measures=self.measures(verdict),
            more_measures=self.more(len(verdict.measures) - self.detail.measures),
            trend=None if self.detail.brief else self.trend(record),
            findings=open_,
            ruled_out=ruled_out,
            more_findings=more,
            plan=tuple(map(self.step, steps[:most])),
            more_plan=self.more(len(steps) - most),
            plan_reason=self.say(plan.reason) if plan else "",
            decision=self.language.say(CHOICES[decision.choice]) if decision else "",
            decision_reason=self.say(decision.reason) if decision else "",
            decision_rule=label(f"{decision.rule} · {decision.by}".strip(" ·"), NAME) if decision else "",
            actions=tuple(map(self.action, actions[:most])),
            more_actions=self.more(len(actions) - most),
            proof_after=self.language.duration(proof.took) if proof else "",
            proof_summary=self.say(proof.verdict.summary) if proof else "",
            took=self.language.duration(record.took),
            brief=self.detail.brief,
            waivers=tuple(map(self.waiver, record.waivers)),
            files=tuple(map(self.file, files)),
        )

    def waiver(self, waiver: Waived) -> str:
        """Who accepted what, until when and why; and what speaks against it."""
        given: dict[str, object] = {
            "start": self.language.day(waiver.start),
            "expires": self.language.day(waiver.expires),
            "owner": label(waiver.owner, NAME),
            "approver": label(waiver.approver, NAME),
            "reason": shortened(waiver.reason, self.detail.paragraph),
            "seen": self.seen(waiver),
        }
        word = self.language.word
        if waiver.holds:
            return word(
                "{start} to {expires}: {owner} answers for it, {approver} approved it ({reason}); seen then: {seen}",
                **given,
            )
        return word(
            "Does not apply: {against} — {start} to {expires}, {owner}, {approver} ({reason}); seen then: {seen}",
            against=self.say(waiver.against),
            **given,
        )

    def seen(self, waiver: Waived) -> str:
        """What was breached when it was waived."""
        state = self.language.say(STANDINGS[of_state(waiver.state)])
        objects = [f"{label(name, NAME)} {label(value, NAME)}" for name, value in waiver.seen.items()]
        return f"{state}{': ' if objects else ''}{', '.join(objects[:8])}{' …' if len(objects) > 8 else ''}"

    def file(self, file: FoundFile) -> str:
        """One CSV with its hash, and how much of what was found it holds."""
        rows = Quantity(file.count, "row")
        given = {"file": file.name, "some": file.rows, "rows": rows, "hash": file.sha256}
        return self.language.word("{file}: {some} of {rows}, SHA-256 {hash}", **given)

    def say(self, words: Text | None) -> str:
        return shortened(self.language.say(words), self.detail.paragraph)

    def more(self, left: int) -> str:
        return self.language.word("and {count} more", count=left) if left > 0 else ""

    def measures(self, verdict: Verdict) -> tuple[MeasureView, ...]:
        return tuple(map(self.measure, verdict.measures[: self.detail.measures]))

    def measure(self, measure: Measure) -> MeasureView:
        return MeasureView(
            object=label(measure.object, NAME),
            value=shortened(self.language.value(measure.value), NAME),
            limits=self.limits(measure),
            mark=mark(of_state(measure.state), self.language),
            bar=None if self.detail.brief else bar(measure),
        )

    def limits(self, measure: Measure) -> str:
        sign = ">" if measure.direction == "above" else "<"
        given = ((Standing.WARNING, measure.warning), (Standing.CRITICAL, measure.critical))
        return " · ".join(
            f"{self.language.say(STANDINGS[name]).lower()} {sign}{self.language.space}{self.language.value(limit)}"
            for name, limit in given
            if limit is not None
        )

    def trend(self, record: Record) -> TrendView | None:
        line = spark(record.trend, worst_measure(record.verdict))
        if line is None:
            return None
        numbers = (line.first, line.last, line.lowest, line.highest, *(limit for _, _, limit in line.lines))
        written = [self.language.value(Quantity(number, record.trend_unit)) for number in numbers]
        words = self.language.word(
            "From {first} to {last}; lowest {lowest}, highest {highest}",
            first=written[0],
            last=written[1],
            lowest=written[2],
            highest=written[3],
        )
        ends = self.language.clock(line.first_at), self.language.clock(line.last_at)
        return TrendView(line, words, *ends, limits=tuple(written[4:]))

    def findings(self, given: Sequence[Finding]) -> tuple[tuple[FindingView, ...], tuple[FindingView, ...], str]:
        """What is confirmed or open, what is ruled out, and how many are not shown."""
        ordered = sorted(given, key=lambda finding: _PROOF_ORDER[finding.proof])
        views = [self.finding(finding) for finding in ordered[: self.detail.findings]]
        open_ = tuple(view for view in views if view.proof != "ruled-out")
        return open_, tuple(views[len(open_) :]), self.more(len(ordered) - len(views))

    def finding(self, finding: Finding) -> FindingView:
        cause, summary = self.say(finding.cause), self.say(finding.summary)
        facts, most = finding.evidence, self.detail.evidence
        return FindingView(
            proof=finding.proof.value.replace(" ", "-"),
            word=self.language.say(PROOFS[finding.proof]),
            cause=cause or summary,
            summary=summary if cause and summary != cause else "",
            evidence=tuple(map(self.evidence, facts[:most])),
            more_evidence=self.more(len(facts) - most) if most else "",
            advice=() if self.detail.brief else tuple(map(self.say, finding.advice)),
        )

    def evidence(self, evidence: Evidence) -> EvidenceView:
        sample = tuple(label(line, LINE) for line in evidence.sample[: self.detail.samples])
        total = max(evidence.count or 0, len(evidence.sample))
        return EvidenceView(
            statement=self.say(evidence.statement),
            source=label(evidence.source, NAME),
            sample=sample,
            more=self.more(total - len(sample)) if sample else "",
        )

    def step(self, step: Step) -> StepView:
        return StepView(
            what=self.say(step.what),
            call=_call(step),
            risk=self.language.say(RISKS[step.risk]),
            effect=self.language.say(EFFECTS[step.effect]) + self.reach(step),
            undo=self.say(step.undo.what) if step.undo else self.language.word("cannot be undone"),
        )

    def reach(self, step: Step) -> str:
        """How many of how many objects the step touches, where that says something."""
        if step.population is None:
            return ""
        return " · " + self.language.word("{some} of {all}", some=step.touches, all=step.population)

    def action(self, action: Action) -> ActionView:
        return ActionView(
            what=self.say(action.step.what),
            outcome=action.outcome.value.replace(" ", "-"),
            word=self.language.say(OUTCOMES[action.outcome]),
            at=self.language.clock(action.started_at),
            took=self.language.duration(action.took),
            result=self.say(action.result),
            changes=_changes(masked(action.before), masked(action.after), self.detail.changes),
        )


def _call(step: Step) -> str:
    arguments = ", ".join(f"{name}={_plain(value)}" for name, value in masked(step.arguments).items())
    return label(f"{step.target}.{step.operation}({arguments})", LINE)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], most: int) -> tuple[Change, ...]:
    """What differs first, then what stayed, by name."""
    names = sorted({*before, *after}, key=lambda name: (before.get(name) == after.get(name), name))
    return tuple(Change(label(name, NAME), _plain(before.get(name)), _plain(after.get(name))) for name in names[:most])


def _plain(value: Any) -> str:
    """A value of free form as compact JSON."""
    if value is None:
        return "—"
    words = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return label(words, LINE // 2)
