"""Logs shared out among readers: each gets a run of records that nobody else reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import msgspec

from runbook.targets.slow_log.csv_form import Csv
from runbook.targets.slow_log.form import Bounds, Form
from runbook.targets.slow_log.forms import UnknownPrefix, form_of
from runbook.targets.slow_log.sources import Source
from runbook.targets.slow_log.tally import Tally

PART = 4 << 20
_HEAD = 1 << 20
#: A record longer than this is no record: reading goes on behind it.
_LONGEST = 64 << 20


class Piece(msgspec.Struct, frozen=True):
    """A log from one byte to another; ``end`` is 0 for all of it."""

    source: Source
    start: int = 0
    end: int = 0


def shared(sources: list[Source], readers: int, prefix: str | None) -> list[list[Piece]]:
    """The logs in as many lots of about the same work, in order. Raises OSError, UnknownPrefix."""
    total = sum(source.weight for source in sources)
    lots: list[list[Piece]] = [[]]
    taken = 0
    for source in sources:
        start = 0
        while source.splittable and len(lots) < readers:
            wanted = total * len(lots) // readers - taken
            if start + wanted >= source.size - PART:
                break
            end = _boundary(source, start + max(wanted, 0), prefix)
            lots[-1].append(Piece(source, start, end))
            lots.append([])
            taken, start = taken + end - start, end
        lots[-1].append(Piece(source, start, source.size if source.splittable else 0))
        taken += source.weight - start
        if len(lots) < readers and taken >= total * len(lots) // readers:
            lots.append([])
    return [lot for lot in lots if lot]


def read(piece: Piece, prefix: str | None, bounds: Bounds, tally: Tally, note: Callable[[int], None]) -> None:
    """Count a piece's records; ``note`` is told the bytes of log as they are read. Raises OSError, UnknownPrefix."""
    with piece.source.opened() as log:
        form = None
        if piece.start:
            form = form_of(log.read(_HEAD), prefix, bounds)
            log.seek(piece.start)
        for part, whole in _parts(log, piece.end - piece.start if piece.end else -1):
            if form is None:
                form = form_of(part[:_HEAD], prefix, bounds)
            tally.bytes += len(part)
            if form is not None:
                _read(form, part, whole, tally)
            note(len(part))
        if form is not None:
            _read(form, b"", True, tally)


def _read(form: Form, part: bytes, whole: bool, tally: Tally) -> None:
    """Read what is complete; what is not waits in the form for the next part."""
    data = form.pending + part if form.pending else part
    cut = form.cut(data, whole)
    if not cut and len(data) > _LONGEST:
        cut = len(data)
    form.pending = data[cut:]
    if cut:
        form.read(data[:cut] if cut < len(data) else data, tally)


def _parts(log: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    left = size
    while left:
        part = log.read(PART if left < 0 else min(PART, left))
        if not part:
            return
        left -= len(part) if left > 0 else 0
        yield part, False


def _boundary(source: Source, near: int, prefix: str | None) -> int:
    """The first byte of a record at or behind ``near``."""
    with source.opened() as log:
        try:
            form = form_of(log.read(_HEAD), prefix, Bounds())
        except UnknownPrefix:
            raise UnknownPrefix(source.name) from None
        if form is None:
            return near
        inside = isinstance(form, Csv) and _inside(log, near)
        log.seek(near)
        data = b""
        while part := log.read(PART):
            data += part
            start = form.start(data, inside)
            if start < len(data) or len(data) > _LONGEST:
                return near + start
    return source.size


def _inside(log: BinaryIO, near: int) -> bool:
    """Whether the byte at ``near`` of a csv log stands inside quotes."""
    log.seek(0)
    quotes, left = 0, near
    while left and (part := log.read(min(PART, left))):
        quotes += part.count(b'"')
        left -= len(part)
    return bool(quotes % 2)
