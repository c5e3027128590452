"""The parts of a document: lines of pieces, and the blocks they stand in."""

from __future__ import annotations

from datetime import datetime

import msgspec

from runbook.model import Measure


class Plain(msgspec.Struct, frozen=True):
    """Words, none of which is markup."""

    words: str


class Strong(msgspec.Struct, frozen=True):
    """Words that matter most."""

    words: str


class Code(msgspec.Struct, frozen=True):
    """A name or a command, as it is typed."""

    words: str


class Break(msgspec.Struct, frozen=True):
    """A new line within a block or a cell."""


Piece = Plain | Strong | Code | Break
Line = tuple[Piece, ...]
BREAK = Break()


class Heading(msgspec.Struct, frozen=True):
    """A heading; level 1 is the document's own."""

    level: int
    line: Line


class Paragraph(msgspec.Struct, frozen=True):
    """A few sentences."""

    line: Line


class Notice(msgspec.Struct, frozen=True):
    """What nobody may overlook."""

    line: Line


class Listing(msgspec.Struct, frozen=True):
    """Lines to be read or copied exactly as they are."""

    lines: tuple[str, ...]


class Item(msgspec.Struct, frozen=True):
    """One item of a list, with what belongs to it."""

    line: Line
    inner: tuple[Item | Listing, ...] = ()


class Items(msgspec.Struct, frozen=True):
    """A list."""

    items: tuple[Item, ...]
    numbered: bool = False


class Table(msgspec.Struct, frozen=True):
    """A table with a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[Line, ...], ...]


class Bars(msgspec.Struct, frozen=True):
    """A chart of amounts side by side: (word, number, tone); ``words`` say the same. A tone is a standing's name."""

    title: str
    words: str
    bars: tuple[tuple[str, float, str], ...]


class Trend(msgspec.Struct, frozen=True):
    """A chart of one value over time, oldest first; ``words`` say what it shows, ``measure`` has the limits."""

    title: str
    words: str
    points: tuple[tuple[datetime, float], ...]
    unit: str = ""
    measure: Measure | None = None


Block = Heading | Paragraph | Notice | Listing | Items | Table | Bars | Trend


def line(*pieces: Piece | str) -> Line:
    """A line of pieces; bare strings are plain words, empty ones are left out."""
    made = (Plain(piece) if isinstance(piece, str) else piece for piece in pieces)
    return tuple(piece for piece in made if isinstance(piece, Break) or piece.words)
