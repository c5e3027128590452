"""Keeps a document within what a tracker takes: fewer details first, then fewer blocks, never half of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from reports.document.blocks import Block, Items, Notice, Strong, Table, line

#: Writes blocks down in one syntax.
Written = Callable[[Sequence[Block]], str]
#: Counts what a tracker counts of a text, and what a block is of it.
Size = Callable[[str], int]
SizeOf = Callable[[Block], int]


def fitted(candidates: Iterable[Sequence[Block]], written: Written, largest: int, cut: str, size: Size = len) -> str:
    """The first of the candidates that is at most ``largest``, else the beginning of the last.

    What is cut says so: ``cut`` is the notice at its end. ``size`` counts what the tracker counts of a text.
    """

    def size_of(block: Block) -> int:
        # One more for the empty line between two blocks.
        return size(written((block,))) + 1

    blocks: Sequence[Block] = ()
    for blocks in candidates:
        whole = written(blocks)
        if size(whole) <= largest:
            return whole
    notice = Notice(line(Strong(cut)))
    return written((*_beginning(blocks, size_of, largest - size_of(notice)), notice))


def _beginning(blocks: Sequence[Block], size_of: SizeOf, room: int) -> Iterator[Block]:
    for block in blocks:
        size = size_of(block)
        if size > room:
            yield from _part(block, size_of, room)
            return
        yield block
        room -= size


def _part(block: Block, size_of: SizeOf, room: int) -> Iterator[Block]:
    """As much of a table or a list as there is room for."""
    parts: Iterator[Block] = iter(())
    match block:
        case Table(rows=rows):
            parts = (msgspec.structs.replace(block, rows=rows[:count]) for count in _halves(len(rows)))
        case Items(items=items):
            parts = (msgspec.structs.replace(block, items=items[:count]) for count in _halves(len(items)))
    if (fits := next((part for part in parts if size_of(part) <= room), None)) is not None:
        yield fits


def _halves(count: int) -> Iterator[int]:
    while count := count // 2:
        yield count
