"""Who watches long work on the archive, and what they are told."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Progress(msgspec.Struct, frozen=True):
    """How far long work has come: batches done, of how many, the rows in them; ``table`` is the one at work."""

    done: int
    batches: int
    rows: int
    table: str = ""


Watch = Callable[[Progress], None]


def unwatched(progress: Progress) -> None:
    """For work that nobody watches."""
