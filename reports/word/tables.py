"""Tables of a Word document: as wide as its text, each column as wide as what stands in it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from reports.document.blocks import Break, Line, Table
from reports.word.elements import element

#: Characters of the longest word that a column makes room for, and of the longest sentence.
_WORD, _SENTENCE = 14, 90
#: What stays on one line, and how wide a character of it is, in twentieths of a point.
_UNBROKEN = re.compile(r"[^\s/-]+")
_CHARACTER = 110
#: Rows that are looked at for how wide a column has to be.
_LOOKED_AT = 200


def column_widths(table: Table, width: int) -> list[int]:
    """The width of each column, ``width`` together."""
    needs = [_need((head, *_words(lines))) for head, lines in _columns(table)]
    words = [word for word, _sentence in needs]
    left = max(width / _CHARACTER - sum(words), 0.0)
    wanted = [max(sentence - word, 1) for word, sentence in needs]
    shares = [word + left * want / sum(wanted) for word, want in zip(words, wanted, strict=True)]
    return [int(width * share / sum(shares)) for share in shares]


def grid(style: str | None, widths: Sequence[int], head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> Any:
    """A table of cells whose head is repeated on each page; without a style it has lines of its own."""
    looks = [element("w:tblStyle", val=style)] if style else []
    size = element("w:tblW", w=sum(widths), type="dxa")
    first = element("w:tblLook", val="0420", firstRow=1, lastRow=0, firstColumn=0, lastColumn=0, noHBand=0, noVBand=1)
    properties = element("w:tblPr", *looks, size, *([] if style else [_borders()]), first)
    columns = element("w:tblGrid", *(element("w:gridCol", w=width) for width in widths))
    return element("w:tbl", properties, columns, _row(head, head=True), *map(_row, rows))


def cell(paragraph: Any, width: int) -> Any:
    """A cell with one paragraph."""
    return element("w:tc", element("w:tcPr", element("w:tcW", w=width, type="dxa")), paragraph)


def _columns(table: Table) -> Iterable[tuple[str, list[Line]]]:
    rows = table.rows[:_LOOKED_AT]
    return ((head, [row[place] for row in rows]) for place, head in enumerate(table.head))


def _words(lines: Iterable[Line]) -> Iterable[str]:
    return ("".join("\n" if isinstance(piece, Break) else piece.words for piece in line) for line in lines)


def _need(cells: Iterable[str]) -> tuple[int, int]:
    """Characters of the longest word that should stay whole, and of the longest sentence."""
    lines = [line for words in cells for line in words.split("\n")]
    word = max((len(word) for line in lines for word in _UNBROKEN.findall(line)), default=1)
    return min(word, _WORD) + 3, min(max(map(len, lines), default=1), _SENTENCE)


def _row(cells: Iterable[Any], *, head: bool = False) -> Any:
    repeated = [element("w:tblHeader")] if head else []
    return element("w:tr", element("w:trPr", element("w:cantSplit"), *repeated), *cells)


def _borders() -> Any:
    sides = ("top", "left", "bottom", "right", "insideH", "insideV")
    return element("w:tblBorders", *(element(f"w:{side}", val="single", sz=4, space=0, color="auto") for side in sides))
