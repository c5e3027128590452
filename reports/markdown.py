"""The report for a ticket: GitHub-flavoured Markdown, the summary first, everything from outside escaped.

Words from outside stand either in a code span, where nothing is markup, or with every mark of markup escaped; an
``@`` or ``#`` of theirs must neither call a person nor link an issue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reports.clean import one_line
from reports.language import Language
from reports.panel import IN_A_LINE, IN_BRIEF
from reports.shown import ActionView, EvidenceView, FindingView, Mark, Panel
from reports.view import FULL, Report, view
from runbook.model import Run

#: Marks of markup anywhere in a line; an underscore within a word is none.
_MARKUP = re.compile(r"[\\`*\[\]<|~$&]|(?<![^\W_])_|_(?![^\W_])")
#: What would make a line a heading, a quotation, a rule or an item of a list.
_AT_START = re.compile(r"^(\d+(?=[.)](?:\s|$))|)([-+=#>.)])")
#: Breaks a mention, an issue number and a bare link without showing.
_NO_LINK = re.compile(r"(?<=@)(?=\w)|(?<=#)(?=\d)|(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
_ZERO_WIDTH = "\u200b"


#: Characters that the common trackers take in one comment.
LARGEST = 60_000


def render(run: Run, language: Language) -> bytes:
    """The whole document, UTF-8. Rows shown in full become fewer, and the tail is cut, until a ticket takes it."""
    for full, rest in ((FULL, IN_BRIEF), (8, IN_A_LINE), (0, IN_A_LINE)):
        page = "\n".join(_Page(view(run, language, full=full, rest=rest), language).lines()) + "\n"
        if len(page) <= LARGEST:
            break
    else:
        cut = language.word("The rest did not fit: it is in the HTML and the JSON of this run.")
        page = f"{page[: page.rindex(chr(10), 0, LARGEST)]}\n\n**{cut}**\n"
    return page.encode("utf-8", "replace")


def escaped(words: str) -> str:
    """Words from outside as plain text of one line."""
    plain = _MARKUP.sub(r"\\\g<0>", _NO_LINK.sub(_ZERO_WIDTH, one_line(words)))
    return _AT_START.sub(r"\1\\\2", plain)


def code(words: str) -> str:
    """Words from outside as a code span, also inside a table: the fence is longer than any in it."""
    plain = one_line(words).replace("|", "\\|")
    if not plain:
        return ""
    fence = "`" * (_longest_run(plain) + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def _longest_run(words: str) -> int:
    return max((len(run) for run in re.findall(r"`+", words)), default=0)


def _fenced(lines: Sequence[str]) -> Iterator[str]:
    fence = "`" * max(3, max(map(_longest_run, lines), default=0) + 1)
    yield f"  {fence}text"
    yield from (f"  {line}" for line in lines)
    yield f"  {fence}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell or ' ' for cell in cells)} |"


def _mark(mark: Mark) -> str:
    return f"{mark.shape} **{mark.word}**"


class _Page:
    def __init__(self, report: Report, language: Language) -> None:
        self.report, self.word = report, language.word

    def lines(self) -> Iterator[str]:
        report = self.report
        yield f"# {escaped(report.site)} · {escaped(report.environment)}: {', '.join(report.headline)}"
        yield f"\n{report.started} · {self.word('took {span}', span=report.took)} · {escaped(report.mode)}\n"
        if report.interrupted:
            yield f"> **{report.interrupted}**\n"
        yield " · ".join(f"{c.mark.shape} {c.mark.word} **{c.number}**" for c in report.counts)
        yield from self.summary()
        yield from self.plan_file()
        for panel in report.troubled:
            yield from self.panel(panel)
        yield from self.timeline()
        yield from self.table(self.word("In order"), report.healthy)
        yield from self.table(self.word("Skipped"), report.skipped)
        yield from self.foot()

    def summary(self) -> Iterator[str]:
        """One table of what is broken, why, what was done and what is next."""
        word = self.word
        if not self.report.troubled:
            return
        yield f"\n## {word('Summary')}\n"
        questions = (word("Why"), word("What was done"), word("Did it help?"), word("What is next"))
        yield _row(word("State"), word("Row"), *questions)
        yield _row(*["---"] * 6)
        for panel in self.report.first_screen:
            story = panel.story
            answers = ("<br>".join(map(escaped, given)) for given in (story.why, story.done))
            next_ = "<br>".join(map(escaped, story.next)) or word("Nothing is left to do")
            what = f"{code(panel.row)}<br>{escaped(panel.summary)}"
            yield _row(_mark(panel.mark), what, *answers, escaped(story.helped), next_)

    def plan_file(self) -> Iterator[str]:
        """The plan beside the run, and what to type next."""
        plan = self.report.plan
        if plan is None:
            return
        yield f"\n## {plan.title}\n"
        yield f"{escaped(plan.what)}: {code(plan.file)}"
        yield from (f"\n- {escaped(who)}" for who in plan.approvals)
        yield from (f"\n- **{self.word('refused')}**: {escaped(why)}" for why in plan.refused)
        if plan.note:
            yield f"\n{escaped(plan.note)}"
        if plan.commands:
            yield ""
            yield from _fenced(plan.commands)

    def panel(self, panel: Panel) -> Iterator[str]:
        yield f"\n## {panel.mark.shape} {escaped(panel.row)} — {escaped(panel.title)}\n"
        since = " · ".join(filter(None, (panel.story.for_how_long, panel.story.since, panel.story.how_bad)))
        yield f"{_mark(panel.mark)}: {escaped(panel.summary)}  \n{escaped(since)}"
        for words in panel.waivers:
            yield f"\n**{self.word('Waiver')}:** {escaped(words)}"
        if panel.measures:
            yield from self.measures(panel)
        for words in panel.files:
            yield f"\n**{self.word('Findings')}:** {escaped(words)}"
        yield from self.causes(panel)
        yield from self.plan(panel)
        yield from self.actions(panel)
        if panel.story.proven:
            after = self.word("after {span}", span=panel.proof_after)
            yield f"\n**{self.word('Proof')}:** {escaped(panel.story.helped)} ({after}). {escaped(panel.proof_summary)}"

    def measures(self, panel: Panel) -> Iterator[str]:
        word = self.word
        yield "\n" + _row(word("Object"), word("Value"), word("Thresholds"), word("State"))
        yield _row(*["---"] * 4)
        for measure in panel.measures:
            value = f"**{escaped(measure.value)}**"
            yield _row(code(measure.object), value, escaped(measure.limits), _mark(measure.mark))
        if panel.more_measures:
            yield f"\n{panel.more_measures}"

    def causes(self, panel: Panel) -> Iterator[str]:
        if panel.findings or panel.ruled_out:
            yield f"\n**{self.word('Probable causes')}**\n"
        for finding in panel.findings:
            yield from self.finding(finding)
        for finding in panel.ruled_out:
            yield f"- {finding.word}: {escaped(finding.cause)}{_because(finding)}"
        if panel.more_findings:
            yield f"- {panel.more_findings}"

    def finding(self, finding: FindingView) -> Iterator[str]:
        yield f"- **{finding.word}: {escaped(finding.cause)}**{_because(finding)}"
        for evidence in finding.evidence:
            yield from self.evidence(evidence)
        for advice in finding.advice:
            yield f"  - {self.word('Advice')}: {escaped(advice)}"

    def evidence(self, evidence: EvidenceView) -> Iterator[str]:
        source = f" {code(evidence.source)}" if evidence.source else ""
        yield f"  - {escaped(evidence.statement)}{source}"
        if evidence.sample:
            lines = [*evidence.sample, *([f"… {evidence.more}"] if evidence.more else [])]
            yield from (f"  {line}" for line in _fenced(lines))

    def plan(self, panel: Panel) -> Iterator[str]:
        if panel.decision:
            reason = f": {escaped(panel.decision_reason)}" if panel.decision_reason else ""
            yield f"\n**{self.word('Plan and decision')}:** {panel.decision}{reason}"
        if panel.plan_reason and panel.plan_reason != panel.decision_reason:
            yield f"\n{escaped(panel.plan_reason)}"
        if panel.plan and not panel.actions:
            yield ""
            for number, step in enumerate(panel.plan, start=1):
                undo = self.word("undo: {undo}", undo=step.undo)
                yield f"{number}. {escaped(step.what)} — {escaped(f'{step.risk} · {step.effect} · {undo}')}"
            if panel.more_plan:
                yield f"\n{panel.more_plan}"

    def actions(self, panel: Panel) -> Iterator[str]:
        if not panel.actions:
            return
        word = self.word
        yield "\n" + _row(word("At"), word("Step"), word("Outcome"), word("Before → after"))
        yield _row(*["---"] * 4)
        for action in panel.actions:
            result = f"<br>{escaped(action.result)}" if action.result else ""
            outcome = f"{action.word} ({action.took})"
            yield _row(action.at, escaped(action.what) + result, outcome, _changed(action))
        if panel.more_actions:
            yield f"\n{panel.more_actions}"

    def timeline(self) -> Iterator[str]:
        if self.report.days:
            yield f"\n## {self.word('Timeline')}"
        for day in self.report.days:
            yield f"\n**{day.date}** ({day.offset})\n"
            for entry in day.entries:
                row = f" {code(entry.row)}" if entry.row else ""
                yield f"- {entry.clock}{row} {escaped(entry.what)}"
        if self.report.more_entries:
            yield f"- {self.report.more_entries}"

    def table(self, title: str, panels: Sequence[Panel]) -> Iterator[str]:
        if not panels:
            return
        word = self.word
        yield f"\n## {title} ({len(panels)})\n"
        yield _row(word("Row"), word("Check"), word("Value"), word("Thresholds"))
        yield _row(*["---"] * 4)
        for panel in panels:
            worst = panel.worst
            shown = (worst.value, worst.limits) if worst and worst.limits else (panel.summary, "")
            yield _row(code(panel.row), escaped(panel.title), *map(escaped, shown))

    def foot(self) -> Iterator[str]:
        yield f"\n## {self.word('How this report was made')}\n"
        for name, value in (*self.report.facts, *self.report.versions):
            yield f"- {escaped(name)}: {escaped(value)}"


def _changed(action: ActionView) -> str:
    return "<br>".join(
        f"{escaped(change.name)}: {escaped(change.before)} → **{escaped(change.after)}**"
        for change in action.changes
        if change.before != change.after
    )


def _because(finding: FindingView) -> str:
    return f" — {escaped(finding.summary)}" if finding.summary else ""
