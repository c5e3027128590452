"""One broken row as blocks: its verdict, values, causes with their evidence, plan, actions and proof."""

from __future__ import annotations

from collections.abc import Iterator

from reports.document.blocks import (
    BREAK,
    Block,
    Code,
    Heading,
    Item,
    Items,
    Line,
    Listing,
    Paragraph,
    Piece,
    Strong,
    Table,
    Trend,
    line,
)
from reports.language import Language
from reports.shown import ActionView, EvidenceView, FindingView, Mark, Panel
from runbook.model import Record


class Told:
    """What is told of one row; ``record`` has the trend that a chart is drawn from."""

    def __init__(self, panel: Panel, record: Record | None, language: Language) -> None:
        self._panel, self._record, self._word = panel, record, language.word

    def blocks(self) -> Iterator[Block]:
        """Everything, in the order in which it happened."""
        panel, word = self._panel, self._word
        yield Heading(2, line(f"{panel.mark.shape} {panel.row} — {panel.title}"))
        since = " · ".join(filter(None, (panel.story.for_how_long, panel.story.since, panel.story.how_bad)))
        yield Paragraph(line(*stated(panel.mark), f": {panel.summary}", BREAK, since))
        for waiver in panel.waivers:
            yield Paragraph(line(Strong(f"{word('Waiver')}:"), f" {waiver}"))
        yield from self._measures()
        yield from self._trend()
        for file in panel.files:
            yield Paragraph(line(Strong(f"{word('Findings')}:"), f" {file}"))
        yield from self._causes()
        yield from self._plan()
        yield from self._actions()
        if panel.story.proven:
            proof = f" {panel.story.helped} ({word('after {span}', span=panel.proof_after)}). {panel.proof_summary}"
            yield Paragraph(line(Strong(f"{word('Proof')}:"), proof))

    def _measures(self) -> Iterator[Block]:
        panel, word = self._panel, self._word
        if panel.measures:
            rows = tuple(
                (line(Code(m.object)), line(Strong(m.value)), line(m.limits), line(*stated(m.mark)))
                for m in panel.measures
            )
            yield Table((word("Object"), word("Value"), word("Thresholds"), word("State")), rows)
        yield from _and_more(panel.more_measures)

    def _trend(self) -> Iterator[Block]:
        shown, record = self._panel.trend, self._record
        if shown is not None and record is not None:
            worst = record.verdict.measures[0] if record.verdict.measures else None
            yield Trend(self._word("Trend"), shown.words, record.trend, record.trend_unit, worst)

    def _causes(self) -> Iterator[Block]:
        panel = self._panel
        if not (panel.findings or panel.ruled_out):
            return
        yield Paragraph(line(Strong(self._word("Probable causes"))))
        ruled_out = (Item(line(f"{f.word}: {f.cause}{_because(f)}")) for f in panel.ruled_out)
        more = (Item(line(panel.more_findings)),) if panel.more_findings else ()
        yield Items((*map(self._finding, panel.findings), *ruled_out, *more))

    def _finding(self, finding: FindingView) -> Item:
        advice = (Item(line(f"{self._word('Advice')}: {words}")) for words in finding.advice)
        cause = line(Strong(f"{finding.word}: {finding.cause}"), _because(finding))
        return Item(cause, (*map(_evidence, finding.evidence), *advice))

    def _plan(self) -> Iterator[Block]:
        panel, word = self._panel, self._word
        if panel.decision:
            reason = f": {panel.decision_reason}" if panel.decision_reason else ""
            yield Paragraph(line(Strong(f"{word('Plan and decision')}:"), f" {panel.decision}{reason}"))
        if panel.plan_reason and panel.plan_reason != panel.decision_reason:
            yield Paragraph(line(panel.plan_reason))
        if panel.plan and not panel.actions:
            undone = ((step, word("undo: {undo}", undo=step.undo)) for step in panel.plan)
            steps = (line(f"{s.what} — {s.risk} · {s.effect} · {undo}") for s, undo in undone)
            yield Items(tuple(map(Item, steps)), numbered=True)
            yield from _and_more(panel.more_plan)

    def _actions(self) -> Iterator[Block]:
        panel, word = self._panel, self._word
        if panel.actions:
            head = word("At"), word("Step"), word("Outcome"), word("Before → after")
            yield Table(head, tuple(map(_action, panel.actions)))
        yield from _and_more(panel.more_actions)


def stated(mark: Mark) -> tuple[str, Strong]:
    """A state by shape and word."""
    return f"{mark.shape} ", Strong(mark.word)


def _and_more(words: str) -> Iterator[Block]:
    if words:
        yield Paragraph(line(words))


def _evidence(evidence: EvidenceView) -> Item:
    more = (f"… {evidence.more}",) if evidence.more else ()
    sample = (Listing((*evidence.sample, *more)),) if evidence.sample else ()
    source = (" ", Code(evidence.source)) if evidence.source else ()
    return Item(line(evidence.statement, *source), sample)


def _action(action: ActionView) -> tuple[Line, ...]:
    result = (BREAK, action.result) if action.result else ()
    outcome = f"{action.word} ({action.took})"
    return line(action.at), line(action.what, *result), line(outcome), _changed(action)


def _changed(action: ActionView) -> Line:
    pieces: list[Piece | str] = []
    for change in action.changes:
        if change.before != change.after:
            pieces += [BREAK, f"{change.name}: {change.before} → ", Strong(change.after)]
    return line(*pieces[1:])


def _because(finding: FindingView) -> str:
    return f" — {finding.summary}" if finding.summary else ""
