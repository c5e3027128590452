"""All of a run as blocks: the summary first, then row by row, the timeline, what is in order, and how it was made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reports.clean import label
from reports.document.blocks import (
    BREAK,
    Bars,
    Block,
    Code,
    Heading,
    Item,
    Items,
    Line,
    Listing,
    Notice,
    Paragraph,
    Piece,
    Strong,
    Table,
    line,
)
from reports.document.rows import Told, stated
from reports.language import Language
from reports.panel import IN_BRIEF, NAME, Detail
from reports.shown import Panel
from reports.view import FULL, Report, view
from reports.view.timeline import Entry
from runbook.model import Record, Run


def page(run: Run, language: Language, *, full: int = FULL, rest: Detail = IN_BRIEF) -> tuple[Block, ...]:
    """The whole document; ``full`` rows are told with all their evidence, the others as ``rest`` says."""
    told = Page(run, language, full=full, rest=rest)
    return (*told.head(), *told.body())


class Page:
    """A run's document in two parts: its head, for which a template has a place of its own, and its body."""

    def __init__(self, run: Run, language: Language, *, full: int = FULL, rest: Detail = IN_BRIEF) -> None:
        self.report: Report = view(run, language, full=full, rest=rest)
        self._language, self._word = language, language.word
        self._records: Mapping[str, Record] = {label(record.row, NAME): record for record in run.records}

    def head(self) -> Iterator[Block]:
        """What it is about, when it was made and how it went."""
        report = self.report
        yield Heading(1, line(f"{report.site} · {report.environment}: {', '.join(report.headline)}"))
        yield Paragraph(line(f"{report.started} · {self._word('took {span}', span=report.took)} · {report.mode}"))
        if report.interrupted:
            yield Notice(line(Strong(report.interrupted)))
        yield Paragraph(counts(report))

    def body(self) -> Iterator[Block]:
        """Everything else."""
        if answers := self.report.answers:
            yield Items(tuple(Item(answer(told.question, told.sentences)) for told in answers))
        yield from self._summary()
        yield from self._plan_file()
        for panel in self.report.troubled:
            yield from Told(panel, self._records.get(panel.row), self._language).blocks()
        yield from self._timeline()
        yield from self._table(self._word("In order"), self.report.healthy)
        yield from self._table(self._word("Skipped"), self.report.skipped)
        yield from self._foot()

    def states(self) -> Bars:
        """How many rows stand how, as a chart."""
        bars = tuple((count.mark.word, float(count.number), count.mark.name) for count in self.report.counts)
        words = ", ".join(f"{count.mark.word} {count.number}" for count in self.report.counts)
        return Bars(self._word("Rows by state"), words, bars)

    def _summary(self) -> Iterator[Block]:
        """One table of what is broken, why, what was done and what is next."""
        word = self._word
        if not self.report.troubled:
            return
        yield Heading(2, line(word("Summary")))
        questions = (word("Why"), word("What was done"), word("Did it help?"), word("What is next"))
        rows = tuple(map(self._told_in_brief, self.report.first_screen))
        yield Table((word("State"), word("Row"), *questions), rows)

    def _told_in_brief(self, panel: Panel) -> tuple[Line, ...]:
        story = panel.story
        next_ = story.next or (self._word("Nothing is left to do"),)
        what = line(Code(panel.row), BREAK, panel.summary)
        return line(*stated(panel.mark)), what, _lines(story.why), _lines(story.done), line(story.helped), _lines(next_)

    def _plan_file(self) -> Iterator[Block]:
        """The plan beside the run, and what to type next."""
        plan = self.report.plan
        if plan is None:
            return
        yield Heading(2, line(plan.title))
        yield Paragraph(line(f"{plan.what}: ", Code(plan.file)))
        refused = (line(Strong(self._word("refused")), f": {why}") for why in plan.refused)
        if items := tuple(Item(words) for words in (*map(line, plan.approvals), *refused)):
            yield Items(items)
        if plan.note:
            yield Paragraph(line(plan.note))
        if plan.commands:
            yield Listing(plan.commands)

    def _timeline(self) -> Iterator[Block]:
        if self.report.days:
            yield Heading(2, line(self._word("Timeline")))
        for day in self.report.days:
            yield Paragraph(line(Strong(day.date), f" ({day.offset})"))
            yield Items(tuple(map(_entry, day.entries)))
        if self.report.more_entries:
            yield Paragraph(line(self.report.more_entries))

    def _table(self, title: str, panels: Sequence[Panel]) -> Iterator[Block]:
        if not panels:
            return
        word = self._word
        yield Heading(2, line(f"{title} ({len(panels)})"))
        head = word("Row"), word("Check"), word("Value"), word("Thresholds")
        yield Table(head, tuple(map(_in_a_row, panels)))

    def _foot(self) -> Iterator[Block]:
        yield Heading(2, line(self._word("How this report was made")))
        facts = (*self.report.facts, *self.report.versions)
        yield Items(tuple(Item(line(f"{name}: {value}")) for name, value in facts))


def counts(report: Report) -> Line:
    """How many rows stand how, in one line."""
    found: list[Piece | str] = []
    for count in report.counts:
        found += [" · " if found else "", f"{count.mark.shape} {count.mark.word} ", Strong(str(count.number))]
    return line(*found)


def answer(question: str, sentences: Iterable[str]) -> Line:
    """A question and what there is to say to it, in one line."""
    return line(Strong(question if question.endswith("?") else f"{question}:"), f" {'; '.join(sentences)}")


def _lines(sentences: Iterable[str]) -> Line:
    """One below the other."""
    pieces: list[Piece | str] = [piece for sentence in sentences for piece in (BREAK, sentence)]
    return line(*pieces[1:])


def _entry(entry: Entry) -> Item:
    row = (Code(entry.row), " ") if entry.row else ()
    return Item(line(f"{entry.clock} ", *row, entry.what))


def _in_a_row(panel: Panel) -> tuple[Line, ...]:
    worst = panel.worst
    value, limits = (worst.value, worst.limits) if worst and worst.limits else (panel.summary, "")
    return line(Code(panel.row)), line(panel.title), line(value), line(limits)
