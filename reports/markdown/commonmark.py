"""Blocks in CommonMark with tables: what GitHub and GitLab share. Each brings its own escaping."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from reports.clean import one_line
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
    Plain,
    Strong,
    Table,
    Trend,
)


class CommonMark:
    """Writes blocks down; ``escaped`` makes words from outside plain text of one line."""

    def __init__(self, escaped: Callable[[str], str]) -> None:
        self._escaped = escaped

    def written(self, blocks: Iterable[Block]) -> str:
        """The blocks with an empty line between them."""
        return "\n\n".join("\n".join(self._block(block)) for block in blocks) + "\n"

    def code(self, words: str) -> str:
        """A code span, also inside a table: the fence is longer than any in it."""
        plain = one_line(words).replace("|", "\\|")
        if not plain:
            return ""
        fence = "`" * (_longest_run(plain) + 1)
        pad = " " if plain.startswith("`") or plain.endswith("`") else ""
        return f"{fence}{pad}{plain}{pad}{fence}"

    def _block(self, block: Block) -> Iterator[str]:
        match block:
            case Heading(level=level, line=words):
                yield f"{'#' * level} {self._line(words)}"
            case Paragraph(line=words):
                yield self._line(words, "  \n")
            case Notice(line=words):
                yield f"> {self._line(words)}"
            case Listing(lines=lines):
                yield from _fenced(lines)
            case Items(items=items, numbered=numbered):
                for number, item in enumerate(items, start=1):
                    yield from self._item(item, f"{number}." if numbered else "-")
            case Table():
                yield from self._table(block)
            case Bars(title=title, words=words) | Trend(title=title, words=words):
                yield f"**{self._escaped(title)}:** {self._escaped(words)}"

    def _item(self, item: Item | Listing, bullet: str, inset: str = "") -> Iterator[str]:
        if isinstance(item, Listing):
            yield from (f"{inset}{line}" for line in _fenced(item.lines))
            return
        yield f"{inset}{bullet} {self._line(item.line)}"
        for inner in item.inner:
            yield from self._item(inner, "-", inset + "  ")

    def _table(self, table: Table) -> Iterator[str]:
        yield _row(map(self._escaped, table.head))
        yield _row(["---"] * len(table.head))
        for row in table.rows:
            yield _row(map(self._line, row))

    def _line(self, line: Line, new_line: str = "<br>") -> str:
        return "".join(self._piece(piece, new_line) for piece in line)

    def _piece(self, piece: Piece, new_line: str) -> str:
        match piece:
            case Plain(words=words):
                return spaced(words, self._escaped)
            case Strong(words=words):
                return f"**{self._escaped(words)}**"
            case Code(words=words):
                return self.code(words)
            case Break():
                return new_line


def spaced(words: str, escaped: Callable[[str], str]) -> str:
    """Words within a line, escaped, with the blank that parts them from what stands before and after."""
    if not words.strip():
        return words[:1]
    return f"{' ' * words.startswith(' ')}{escaped(words)}{' ' * words.endswith(' ')}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell or ' ' for cell in cells)} |"


def _fenced(lines: Sequence[str]) -> Iterator[str]:
    fence = "`" * max(3, max(map(_longest_run, lines), default=0) + 1)
    yield f"{fence}text"
    yield from (part for line in lines for part in line.split("\n"))
    yield fence


def _longest_run(words: str) -> int:
    return max((len(run) for run in re.findall(r"`+", words)), default=0)
