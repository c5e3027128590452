"""Blocks as the elements of a Word document, in the styles that the document has.

A style that a template lacks is made up for by plain formatting: a report is never refused for its looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from docx.document import Document

from reports.document.blocks import (
    Bars,
    Block,
    Break,
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
    Trend,
)
from reports.language import Language
from reports.word.charts import Charts
from reports.word.elements import element, paragraph, run
from reports.word.tables import cell, column_widths, grid

#: Twentieths of a point: how far an item stands in, and how wide a page is where none says.
_INSET, _PAGE = 360, 9_600


class Setting:
    """Sets blocks for one document; charts become parts of it."""

    def __init__(self, document: Document, language: Language) -> None:
        self._styles = {style.name: style.style_id for style in document.styles}
        self._width = _text_width(document)
        self._charts = Charts(document, language, self._width)

    def elements(self, block: Block) -> Iterator[Any]:
        """The paragraphs and tables of one block."""
        match block:
            case Heading(level=level, line=line):
                yield self._heading(level, line)
            case Paragraph(line=line):
                yield paragraph(self._runs(line), self._style("Body Text"))
            case Notice(line=line):
                yield paragraph(self._runs(line), self._style("Intense Quote"), rule=True)
            case Listing(lines=lines):
                yield from self._listing(lines)
            case Items(items=items, numbered=numbered):
                for number, item in enumerate(items, start=1):
                    yield from self._item(item, f"{number}." if numbered else "", 1)
            case Table():
                yield self._table(block)
                yield paragraph(())
            case Bars() | Trend():
                yield from self._charts.drawn(block)

    def _heading(self, level: int, line: Line) -> Any:
        """The document's title is the template's own: what is level 2 to a page is level 1 here."""
        style = self._style(f"Heading {max(1, level - 1)}")
        return paragraph(self._runs(line, bold=style is None), style, next_=True)

    def _item(self, item: Item | Listing, number: str, depth: int) -> Iterator[Any]:
        if isinstance(item, Listing):
            yield from self._listing(item.lines, inset=depth * _INSET)
            return
        style = None if number else self._style("List Bullet" if depth == 1 else f"List Bullet {depth}")
        lead = [] if style else [run(f"{number or '•'}\t")]
        inset = None if style else depth * _INSET
        yield paragraph((*lead, *self._runs(item.line)), style, inset=inset)
        for inner in item.inner:
            yield from self._item(inner, "", depth + 1)

    def _listing(self, lines: Sequence[str], inset: int = 0) -> Iterator[Any]:
        for part in (part for line in lines for part in line.split("\n")):
            yield paragraph([run(part, code=True)], self._style("No Spacing"), inset=inset or None, shaded=True)

    def _table(self, table: Table) -> Any:
        style = self._style("Runbook Table") or self._style("Table Grid")
        widths = column_widths(table, self._width)
        rows = (self._cells(row, widths) for row in table.rows)
        return grid(style, widths, self._cells([(Strong(words),) for words in table.head], widths), rows)

    def _cells(self, row: Iterable[Line], widths: Iterable[int]) -> list[Any]:
        style = self._style("No Spacing")
        lines = (paragraph(self._runs(line, small=True), style) for line in row)
        return [cell(line, width) for line, width in zip(lines, widths, strict=True)]

    def _runs(self, line: Line, *, bold: bool = False, small: bool = False) -> Iterator[Any]:
        return (_of_piece(piece, bold, small) for piece in line)

    def _style(self, name: str) -> str | None:
        return self._styles.get(name)


def _of_piece(piece: Piece, bold: bool, small: bool) -> Any:
    match piece:
        case Break():
            return element("w:r", element("w:br"))
        case Code(words=words):
            return run(words, code=True, bold=bold, small=small)
        case Strong(words=words):
            return run(words, bold=True, small=small)
        case _:
            return run(piece.words, bold=bold, small=small)


def _text_width(document: Document) -> int:
    section = document.sections[-1]
    if not (section.page_width and section.left_margin is not None and section.right_margin is not None):
        return _PAGE
    return int((section.page_width - section.left_margin - section.right_margin) / 635)
