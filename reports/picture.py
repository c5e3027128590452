"""The final picture of a run in text: set with rich, plain where the stream is no terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from reports.clean import one_line, shortened
from reports.language import Language
from reports.shown import FindingView, Panel
from reports.view import Report
from reports.waiting import PlanView
from reports.words import Standing

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text as Line

COLOURS = {
    Standing.CRITICAL: "bold red",
    Standing.WARNING: "bold yellow",
    Standing.UNKNOWN: "bold magenta",
    Standing.WAIVED: "bold blue",
    Standing.FIXED: "bold cyan",
    Standing.OK: "green",
    Standing.SKIPPED: "dim",
}
#: Broken rows told in full, lines of evidence of a cause, samples of a line: a screen, not a scroll.
TOLD, EVIDENCE, SAMPLES = 12, 3, 2
WIDEST, INDENT = 110, 18

#: Label, words and style of one line under a title; a line without a label goes on with the one before.
Fact = tuple[str, str, str]


def console(stream: TextIO) -> Console:
    """A console that interprets nothing in what it prints and never fails on a character its stream cannot show."""
    from rich.console import Console

    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
    made = Console(file=stream, markup=False, emoji=False, highlight=False)
    made.width = min(made.width, WIDEST)
    return made


class Picture:
    """Draws a report, or one question, on a console."""

    def __init__(self, console: Console, language: Language) -> None:
        self.console, self.word = console, language.word

    def run(self, report: Report, files: Mapping[str, Path], *, quiet: bool) -> None:
        """The whole picture, worst first; quiet, nothing at all where nothing is wrong."""
        if quiet and not report.troubled:
            return
        self._head(report)
        told, rest = report.troubled[:TOLD], report.troubled[TOLD:]
        for panel in told:
            self._title(panel)
            if not quiet:
                self._facts(self._answers(panel))
        for panel in rest:
            self._title(panel)
        if not quiet:
            self._in_order(report.healthy)
            self._skipped(report.skipped)
            self._waivers(report)
        if report.plan:
            self._plan_file(report.plan)
        self._files(files)

    def question(self, panel: Panel) -> None:
        """A plan that needs a person's approval, and the question."""
        self._title(panel)
        self._facts([*self._why(panel), *self._plan(panel)])
        self.console.print(self.word("Carry out this plan? [y/N]"), end=" ")

    def _head(self, report: Report) -> None:
        self._line((f"{report.site} · {report.environment}", "bold"), (f" · {report.started} · {report.took}", "dim"))
        self._line((", ".join(report.headline), "bold"))
        if report.interrupted:
            self._line((report.interrupted, "bold yellow"))

    def _title(self, panel: Panel) -> None:
        style = COLOURS[Standing(panel.mark.name)]
        self.console.print()
        state = f"{panel.mark.shape} {panel.mark.word.upper()}"
        self._line((state, style), (f"  {panel.row}", "bold"), (f"  {panel.title}", ""))
        self._line((f"  {one_line(panel.summary)}", "dim" if panel.mark.name == "fixed" else "bold"))

    def _answers(self, panel: Panel) -> Iterator[Fact]:
        yield from self._values(panel)
        story = panel.story
        ago = f" ({self.word('{span} ago', span=story.for_how_long)})" if story.for_how_long else ""
        yield self.word("Since"), story.since + ago, ""
        yield from self._why(panel)
        if panel.actions:
            yield from self._labelled(self.word("Done"), (f"{a.what} — {a.word} ({a.took})" for a in panel.actions))
        else:
            yield from self._plan(panel)
            yield self.word("Done"), story.done[0] if story.done else "", ""
        if story.proven:
            helped = f"{story.helped} ({self.word('after {span}', span=panel.proof_after)}). {panel.proof_summary}"
            yield self.word("Did it help?"), helped, "bold"
        yield from self._labelled(self.word("What is next"), story.next, "bold")
        yield from self._labelled(self.word("Waiver"), panel.waivers)
        yield from self._labelled(self.word("Findings"), panel.files)

    def _values(self, panel: Panel) -> Iterator[Fact]:
        change, worst = panel.story.change, panel.worst
        if worst is None:
            return
        if change is not None:
            yield self.word("Value"), f"{change.name}: {change.before} → {change.after}{_bracketed(worst.limits)}", ""
            return
        breached = [m for m in panel.measures if m.mark.name != "ok"][:3] or [worst]
        words = (f"{m.object}: {m.value}{_bracketed(m.limits)}" for m in breached)
        yield from self._labelled(self.word("Value"), words)

    def _why(self, panel: Panel) -> Iterator[Fact]:
        for finding in panel.findings:
            yield finding.word, _because(finding), "bold" if finding.proof == "confirmed" else ""
            if finding.proof == "confirmed":
                yield from self._evidence(finding)
        if panel.ruled_out:
            yield self.word("Ruled out"), "; ".join(f.cause for f in panel.ruled_out), "dim"
        if not panel.findings and panel.mark.name != "unknown":
            yield self.word("Why"), panel.story.why[0], ""

    def _evidence(self, finding: FindingView) -> Iterator[Fact]:
        for evidence in finding.evidence[:EVIDENCE]:
            yield "", f"– {one_line(evidence.statement)}", ""
            for line in evidence.sample[:SAMPLES]:
                yield "", shortened(f"  {line}", self.console.width - INDENT), "dim"

    def _plan(self, panel: Panel) -> Iterator[Fact]:
        undo = [self.word("undo: {undo}", undo=step.undo) for step in panel.plan]
        steps = (f"{n}. {s.what} ({s.risk}; {u})" for n, (s, u) in enumerate(zip(panel.plan, undo, strict=True), 1))
        yield from self._labelled(self.word("Plan"), steps)
        if panel.plan and panel.decision:
            yield self.word("Decision"), f"{panel.decision}: {panel.decision_reason}", ""

    def _labelled(self, label: str, words: Iterable[str], style: str = "") -> Iterator[Fact]:
        for place, sentence in enumerate(words):
            yield label if place == 0 else "", sentence, style

    def _facts(self, facts: Iterable[Fact]) -> None:
        """Label and words in two columns, without blanks at the ends of lines: this is also read piped."""
        for label, words, style in facts:
            inset = " " * (len(words) - len(words.lstrip(" ")))
            lines = _text(inset + one_line(words), style).wrap(self.console, self.console.width - INDENT)
            for place, line in enumerate(lines):
                line.rstrip()
                head = f"  {label}" if place == 0 else ""
                self._line((f"{head:<{INDENT}}", "dim"), line)

    def _in_order(self, panels: Sequence[Panel]) -> None:
        if panels:
            self.console.print()
            rows = "  ".join(panel.row for panel in panels)
            self._line((f"✓ {self.word('In order')} {len(panels)}: ", COLOURS[Standing.OK]), (rows, ""))

    def _skipped(self, panels: Sequence[Panel]) -> None:
        for panel in panels[:TOLD]:
            self._line((f"– {self.word('Skipped')}: {panel.row}  {one_line(panel.summary)}", "dim"))
        if rest := panels[TOLD:]:
            self._line((f"– {self.word('Skipped')}: {'  '.join(panel.row for panel in rest)}", "dim"))

    def _plan_file(self, plan: PlanView) -> None:
        self.console.print()
        self._line((plan.title, "bold"))
        self._facts(self._labelled(self.word("Plan"), filter(None, (plan.what, *plan.approvals, plan.note))))
        self._facts(self._labelled(self.word("refused"), plan.refused))
        for command in plan.commands:
            # Unwrapped, so that it can be copied whole.
            self.console.print(_text(f"  {command}", "bold"), soft_wrap=True)

    def _waivers(self, report: Report) -> None:
        """Those of rows that are not broken: the others stand beside their row."""
        for panel in (*report.healthy, *report.skipped):
            for words in panel.waivers:
                self._line((f"◇ {self.word('Waiver')}: {panel.row}  {words}", "dim"))

    def _files(self, files: Mapping[str, Path]) -> None:
        if not files:
            return
        first, *others = sorted(files.values(), key=lambda path: path.suffix != ".html")
        self.console.print()
        # Unwrapped, so that it can be copied whole.
        self.console.print(_text(f"{self.word('Report')}: {one_line(str(first))}", "bold"), soft_wrap=True)
        if others:
            names = ", ".join(one_line(path.name) for path in others)
            self.console.print(_text(f"{self.word('Beside it')}: {names}", "dim"), soft_wrap=True)

    def _line(self, *parts: tuple[str, str] | Line) -> None:
        from rich.text import Text as Line

        for line in Line.assemble(*parts, overflow="fold").wrap(self.console, self.console.width):
            line.rstrip()
            self.console.print(line)


def _text(words: str, style: str) -> Line:
    from rich.text import Text as Line

    return Line(words, style=style, overflow="fold")


def _because(finding: FindingView) -> str:
    return f"{finding.cause}: {finding.summary}" if finding.summary else finding.cause


def _bracketed(words: str) -> str:
    return f" ({words})" if words else ""
