"""The matrix on a terminal or a pipe: the environments, then the rows on which they differ from "in order"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from reports.clean import one_line, shortened
from reports.language import Language
from reports.matrix.view import Cell, Line, Matrix
from reports.picture import COLOURS, console
from reports.words import Standing

#: Rows told before a page is the better place, the width of their names, and of one environment's column.
TOLD, NAMES, WIDTH = 40, 18, 15

Part = tuple[str, str]


def show(matrix: Matrix, language: Language, stream: TextIO, files: Mapping[str, Path]) -> None:
    """Print it; words from outside are text, never markup."""
    from rich.text import Text as Line

    screen = console(stream)
    abreast = max((screen.width - NAMES) // WIDTH, 1)
    for parts in (*_head(matrix), *_body(matrix, abreast, language), *_foot(matrix, language, files)):
        screen.print(Line.assemble(*parts), soft_wrap=True)


def _head(matrix: Matrix) -> Iterator[Sequence[Part]]:
    yield ((f"{matrix.sites} · {', '.join(matrix.headline)}", "bold"),)
    yield ()
    wide = max(len(head.name) for head in matrix.heads)
    for head in matrix.heads:
        state = f"{head.mark.shape} {head.mark.word.upper()}"
        when = f" · {head.at} · {head.took}" if head.judged else ""
        yield (
            (f"{state:<14}", _style(head.mark.name)),
            (f"{head.name:<{wide}}  ", "bold"),
            (head.words, ""),
            (when, "dim"),
        )


def _body(matrix: Matrix, abreast: int, language: Language) -> Iterator[Sequence[Part]]:
    for start in range(0, len(matrix.heads) if matrix.lines else 0, abreast):
        part = slice(start, start + abreast)
        yield ()
        yield (" " * NAMES, ""), *((_fitted(head.name), "dim") for head in matrix.heads[part])
        yield from (_line(line, line.cells[part]) for line in matrix.lines[:TOLD])
    if len(matrix.lines) > TOLD:
        left = tuple(line.row for line in matrix.lines[TOLD:])
        yield ((language.word("and {count} more: {rows}", count=len(left), rows=_few(left)), "dim"),)


def _line(line: Line, cells: Sequence[Cell | None]) -> Sequence[Part]:
    name = f"{shortened(line.row, NAMES - 1):<{NAMES}}"
    return (name, "bold"), *(("·".ljust(WIDTH), "dim") if cell is None else _cell(cell) for cell in cells)


def _cell(cell: Cell) -> Part:
    return _fitted(f"{cell.mark.shape} {cell.value or cell.mark.word}"), _style(cell.mark.name)


def _foot(matrix: Matrix, language: Language, files: Mapping[str, Path]) -> Iterator[Sequence[Part]]:
    if matrix.healthy:
        words = language.word("In order wherever it was judged")
        yield ()
        yield (f"✓ {words} {len(matrix.healthy)}: ", COLOURS[Standing.OK]), (_few(matrix.healthy), "")
    if matrix.skipped:
        words = language.word("Skipped wherever it was judged")
        yield ((f"– {words} {len(matrix.skipped)}: {_few(matrix.skipped)}", "dim"),)
    if files:
        yield ()
        yield from (((f"  {path}", "dim"),) for path in files.values())


def _few(rows: Sequence[str]) -> str:
    told = "  ".join(rows[:TOLD])
    return f"{told} …" if len(rows) > TOLD else told


def _fitted(words: str) -> str:
    return shortened(one_line(words), WIDTH - 1).ljust(WIDTH)


def _style(name: str) -> str:
    return COLOURS[Standing(name)]
