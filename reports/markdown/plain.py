"""Plain text, for journals that take no markup, such as the work notes of ServiceNow, and for files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reports.clean import one_line
from reports.document.blocks import (
    Bars,
    Block,
    Break,
    Heading,
    Item,
    Items,
    Line,
    Listing,
    Notice,
    Paragraph,
    Table,
    Trend,
)
from reports.markdown.commonmark import spaced
from reports.markdown.github import ZERO_WIDTH

LARGEST = 60_000
size = len
#: ServiceNow renders as HTML what stands between ``[code]`` and ``[/code]``.
_HTML = re.compile(r"\[(?=/?code\])", re.IGNORECASE)


def written(blocks: Sequence[Block]) -> str:
    """The blocks as text, with an empty line between them."""
    return "\n\n".join("\n".join(_block(block)) for block in blocks) + "\n"


def escaped(words: str) -> str:
    """Words from outside on one line."""
    return _HTML.sub(f"[{ZERO_WIDTH}", one_line(words))


def _block(block: Block) -> Iterator[str]:
    match block:
        case Heading(line=words):
            yield _line(words).upper()
        case Paragraph(line=words) | Notice(line=words):
            yield _line(words, "\n")
        case Listing(lines=lines):
            yield from (f"    {escaped(line)}" for line in lines)
        case Items(items=items, numbered=numbered):
            for number, item in enumerate(items, start=1):
                yield from _item(item, f"{number}." if numbered else "-")
        case Table(head=head, rows=rows):
            yield " | ".join(map(escaped, head))
            yield from (" | ".join(map(_line, row)) for row in rows)
        case Bars(title=title, words=words) | Trend(title=title, words=words):
            yield f"{escaped(title)}: {escaped(words)}"


def _item(item: Item | Listing, bullet: str, inset: str = "") -> Iterator[str]:
    if isinstance(item, Listing):
        yield from (f"{inset}    {escaped(line)}" for line in item.lines)
        return
    yield f"{inset}{bullet} {_line(item.line)}"
    for inner in item.inner:
        yield from _item(inner, "-", inset + "  ")


def _line(line: Line, new_line: str = "; ") -> str:
    return "".join(new_line if isinstance(piece, Break) else spaced(piece.words, escaped) for piece in line)
