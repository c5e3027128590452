"""Documents that people complete and hand in: made of several runs, set as Markdown, HTML or Word.

All words in them are in the reader's language and masked already. What only people know is a gap, marked so that nobody
hands it in unseen.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from reports.document.blocks import Block, Heading, Item, Items, Line, Notice, Paragraph, Strong, Table, Trend, line
from reports.document.rows import stated
from reports.language import Language
from reports.shown import Mark
from runbook.errors import ReportError
from runbook.text import text

#: The forms there are, with the endings of their files; the first is what people edit.
SUFFIXES = {"markdown": ".md", "html": ".html", "docx": ".docx"}
Cell = str | Mark


class Section(msgspec.Struct, frozen=True):
    """A heading with what stands under it."""

    title: str
    blocks: tuple[Block, ...]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The whole: ``kind`` is what sort of document it is, ``facts`` its head, ``note`` what it is and is not."""

    kind: str
    title: str
    site: str
    environment: str
    made: str
    facts: tuple[tuple[str, str], ...]
    note: str
    sections: tuple[Section, ...]


def render(draft: Draft, form: str, language: Language, template: Path | None = None) -> bytes:
    """The draft in one form; ``template`` is the site's own Word document, ours where it has none.

    Raises ReportError for a form there is not, where its extra is missing, and for a template that cannot be filled.
    """
    match form:
        case "markdown":
            from reports.markdown import github

            return github.written(tuple(blocks(draft))).encode("utf-8", "replace")
        case "html":
            from reports.drafts import html

            return html.render(draft, language)
        case "docx":
            from reports import word

            shown = map(_unbroken, blocks(draft, titled=False))
            return word.filled(template, _fields(draft, language), shown, language)
    raise ReportError(text("No report format {unknown}: there are {known}", unknown=form, known=", ".join(SUFFIXES)))


def blocks(draft: Draft, *, titled: bool = True) -> Iterator[Block]:
    """Everything in order; without its title where a template has a place of its own for that."""
    if titled:
        yield Heading(1, line(draft.title))
        yield paragraph(f"{draft.site} · {draft.environment}")
    yield Items(tuple(Item(line(Strong(name), f": {value}")) for name, value in draft.facts))
    yield Notice(line(draft.note))
    for section in draft.sections:
        yield Heading(2, line(section.title))
        yield from section.blocks


def paragraph(words: str) -> Paragraph:
    """Some sentences."""
    return Paragraph(line(words))


def gap(language: Language, words: str) -> Notice:
    """What only a person knows: ``[Complete: …]``."""
    return Notice(line(Strong(language.word("[Complete: {what}]", what=words))))


def points(items: Iterable[str]) -> Items:
    """Short sentences, one below the other."""
    return Items(tuple(Item(line(item)) for item in items))


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Cell]], more: str = "") -> tuple[Block, ...]:
    """A table under its caption; ``more`` says what was left out of it."""
    above = (Heading(3, line(caption)),) if caption else ()
    below = (paragraph(more),) if more else ()
    return (*above, Table(tuple(head), tuple(tuple(map(_cell, row)) for row in rows)), *below)


def parts(points: Sequence[tuple[datetime, float]]) -> tuple[tuple[int, ...], ...]:
    """The places of a line's points, apart where one is missing: a line over a gap would say what nobody saw."""
    steps = [(after[0] - before[0]).total_seconds() for before, after in itertools.pairwise(points)]
    usual = statistics.median(steps) if steps else 0.0
    found: list[list[int]] = [[0]] if points else []
    for place, step in enumerate(steps, start=1):
        if step > 1.5 * usual:
            found.append([])
        found[-1].append(place)
    return tuple(map(tuple, found))


def _unbroken(block: Block) -> Block:
    """Word draws one line through all points: where there are gaps the words have to do."""
    if isinstance(block, Trend) and len(parts(block.points)) > 1:
        return Paragraph(line(Strong(block.title), f": {block.words}"))
    return block


def _cell(given: Cell) -> Line:
    return line(*stated(given)) if isinstance(given, Mark) else line(given)


def _fields(draft: Draft, language: Language) -> dict[str, str]:
    """What a Word template may say: the names are those of a run's report, and some of a draft stay empty."""
    empty = dict.fromkeys(("state", "ended", "interrupted"), "")
    return empty | {
        "kind": draft.kind,
        "title": draft.title,
        "headline": draft.title,
        "run": draft.title,
        "date": draft.made,
        "started": draft.made,
        "took": language.word("a draft"),
        "mode": language.word("to be completed by people"),
        "site": draft.site,
        "environment": draft.environment,
    }
