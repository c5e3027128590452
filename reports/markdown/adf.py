"""Atlassian's Document Format: what Jira Cloud takes, JSON in which words need no escaping.

As documented for version 1: a text node is never empty, a cell and an item of a list begin with a paragraph, and a
heading has no mark.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reports.clean import printable
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
    line,
)

#: Characters of one comment; Jira Cloud takes 32,767.
LARGEST = 32_000

Node = dict[str, Any]


def written(blocks: Sequence[Block]) -> str:
    """The blocks as JSON."""
    return json.dumps(document(blocks), ensure_ascii=False, separators=(",", ":"))


def size(written: str) -> int:
    """The characters that are read."""
    return _read(json.loads(written))


def document(blocks: Iterable[Block]) -> Node:
    """The blocks as one document."""
    return {"version": 1, "type": "doc", "content": [_block(block) for block in blocks]}


def _read(node: Node) -> int:
    return len(node.get("text", "")) + sum(map(_read, node.get("content", ())))


def _block(block: Block) -> Node:
    match block:
        case Heading(level=level, line=words):
            return _node("heading", _unmarked(words), level=level)
        case Paragraph(line=words):
            return _node("paragraph", map(_piece, words))
        case Notice(line=words):
            return _node("blockquote", [_node("paragraph", map(_piece, words))])
        case Items(items=items, numbered=numbered):
            return _node("orderedList" if numbered else "bulletList", map(_item, items))
        case Listing(lines=lines):
            return _listing(lines)
        case Table():
            return _table(block)
        case Bars(title=title, words=words) | Trend(title=title, words=words):
            return _node("paragraph", map(_piece, line(Strong(f"{title}:"), f" {words}")))


def _item(item: Item) -> Node:
    return _node("listItem", [_node("paragraph", map(_piece, item.line)), *_inner(item)])


def _inner(item: Item) -> Iterator[Node]:
    """What belongs to an item: its items in one list, its listings beside it."""
    if items := [inner for inner in item.inner if isinstance(inner, Item)]:
        yield _node("bulletList", map(_item, items))
    yield from (_listing(inner.lines) for inner in item.inner if isinstance(inner, Listing))


def _table(table: Table) -> Node:
    head = _node("tableRow", (_cell("tableHeader", line(words)) for words in table.head))
    rows = (_node("tableRow", (_cell("tableCell", cell) for cell in row)) for row in table.rows)
    return _node("table", [head, *rows])


def _cell(type: str, words: Line) -> Node:
    return _node(type, [_node("paragraph", map(_piece, words))])


def _listing(lines: Iterable[str]) -> Node:
    words = printable("\n".join(lines))
    return _node("codeBlock", [{"type": "text", "text": words}] if words else [], language="text")


def _piece(piece: Piece) -> Node:
    match piece:
        case Break():
            return {"type": "hardBreak"}
        case Strong(words=words):
            return {"type": "text", "text": printable(words), "marks": [{"type": "strong"}]}
        case Code(words=words):
            return {"type": "text", "text": printable(words), "marks": [{"type": "code"}]}
        case _:
            return {"type": "text", "text": printable(piece.words)}


def _unmarked(words: Line) -> Iterator[Node]:
    return (_piece(piece if isinstance(piece, Break) else line(piece.words)[0]) for piece in words)


def _node(type: str, content: Iterable[Node], **attributes: object) -> Node:
    return {"type": type, **({"attrs": attributes} if attributes else {}), "content": list(content)}
