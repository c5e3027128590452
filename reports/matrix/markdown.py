"""The matrix for a ticket or a chat: tables of GitHub's Markdown, as many columns in each as a screen holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reports.markdown import LARGEST, code, escaped
from reports.matrix.view import Cell, Line, Matrix

#: Environments beside one another, and lines of one table.
COLUMNS, LINES = 12, 150


def render(matrix: Matrix) -> bytes:
    """The whole document, UTF-8; its tail is cut until a ticket takes it."""
    words = "\n".join(_document(matrix))
    if len(words) > LARGEST:
        cut = matrix.language.word("The rest did not fit: it is in the HTML of this matrix.")
        words = words[: words.rfind("\n", 0, LARGEST - 200)] + f"\n\n> {escaped(cut)}\n"
    return words.encode("utf-8", "replace")


def _document(matrix: Matrix) -> Iterator[str]:
    word = matrix.language.word
    yield f"# {escaped(matrix.sites)}: {escaped(', '.join(matrix.headline))}\n"
    yield from _table((word("State"), word("Environment"), word("Result"), word("Judged at")), _heads(matrix))
    for start in range(0, len(matrix.heads), COLUMNS):
        part = slice(start, start + COLUMNS)
        names = [escaped(head.name) for head in matrix.heads[part]]
        if matrix.lines:
            yield from _table((word("Row"), *names), (_row(line, line.cells[part]) for line in matrix.lines[:LINES]))
    if len(matrix.lines) > LINES or matrix.more:
        yield word("More rows are in the HTML of this matrix and in the reports of the environments.") + "\n"
    if matrix.healthy:
        yield _list(f"✓ {word('In order wherever it was judged')}", matrix.healthy)
    if matrix.skipped:
        yield _list(f"– {word('Skipped wherever it was judged')}", matrix.skipped)


def _list(words: str, rows: Sequence[str]) -> str:
    return f"{escaped(words)} ({len(rows)}): {', '.join(map(code, rows))}\n"


def _heads(matrix: Matrix) -> Iterator[Sequence[str]]:
    for head in matrix.heads:
        yield f"{head.mark.shape} {escaped(head.mark.word)}", escaped(head.name), escaped(head.words), escaped(head.at)


def _row(line: Line, cells: Iterable[Cell | None]) -> Sequence[str]:
    return (f"{line.mark.shape} {code(line.row)} {escaped(line.title)}", *map(_cell, cells))


def _cell(cell: Cell | None) -> str:
    return "·" if cell is None else f"{cell.mark.shape} {escaped(cell.value or cell.mark.word)}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
