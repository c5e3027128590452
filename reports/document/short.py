"""The first screen of a run as blocks: what a ticket's reader has to know without opening anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.document.blocks import Block, Code, Item, Items, Listing, Notice, Paragraph, Strong, line
from reports.document.page import answer, counts
from reports.document.rows import stated
from reports.language import Language
from reports.panel import IN_BRIEF
from reports.shown import Panel
from reports.view import Report, view
from runbook.model import Run

#: Rows named at most, and how many of them with their answers: the first of these that fits is taken.
_LEVELS = ((12, 12), (12, 8), (12, 5), (12, 3), (12, 2), (12, 1), (12, 0), (6, 0), (3, 0))


def shorter_and_shorter(run: Run, language: Language) -> Iterator[tuple[Block, ...]]:
    """The same comment with fewer and fewer words; every one of them says how many rows it does not tell of."""
    told = _Short(view(run, language, full=0, rest=IN_BRIEF), language)
    for named, answered in _LEVELS:
        yield tuple(told.blocks(named, answered))


class _Short:
    def __init__(self, report: Report, language: Language) -> None:
        self.report, self.word = report, language.word

    def blocks(self, named: int, answered: int) -> Iterator[Block]:
        report, word = self.report, self.word
        headline = f"{report.site} · {report.environment}: {', '.join(report.headline)}"
        yield Paragraph(line(f"{report.standing.shape} ", Strong(headline)))
        yield Paragraph(line(f"{report.started} · {word('took {span}', span=report.took)} · {report.mode}"))
        if report.interrupted:
            yield Notice(line(Strong(report.interrupted)))
        yield Paragraph(counts(report))
        yield from self.rows(report.troubled[:named], answered)
        if left := len(report.troubled) - named if len(report.troubled) > named else 0:
            yield Paragraph(line(word("and {count} more", count=left)))
        yield from self.plan()
        yield Paragraph(line(f"{word('Run')} ", Code(report.run), f" · {word('The full report is attached')}"))

    def rows(self, panels: Sequence[Panel], answered: int) -> Iterator[Block]:
        if panels:
            yield Items(tuple(self.row(panel, answers=place < answered) for place, panel in enumerate(panels)))

    def row(self, panel: Panel, *, answers: bool) -> Item:
        ago = self.word("for {span}", span=panel.story.for_how_long) if panel.story.for_how_long else ""
        since = " · ".join(filter(None, (ago, panel.story.since, panel.story.how_bad)))
        what = line(*stated(panel.mark), " ", Code(panel.row), f" {panel.summary}", f" — {since}" if answers else "")
        return Item(what, tuple(self.answers(panel)) if answers else ())

    def answers(self, panel: Panel) -> Iterator[Item]:
        story, word = panel.story, self.word
        yield _answer(word("Why"), story.why)
        yield _answer(word("What was done"), story.done)
        if story.proven:
            after = word("after {span}", span=panel.proof_after)
            yield _answer(word("Did it help?"), (f"{story.helped} ({after}). {panel.proof_summary}",))
        yield _answer(word("What is next"), story.next or (word("Nothing is left to do"),))
        yield from (_answer(word("Waiver"), (words,)) for words in panel.waivers)

    def plan(self) -> Iterator[Block]:
        plan = self.report.plan
        if plan is None:
            return
        yield Paragraph(line(Strong(plan.title), f": {plan.what}"))
        if plan.commands:
            yield Listing(plan.commands)


def _answer(question: str, sentences: Sequence[str]) -> Item:
    return Item(answer(question, sentences))
