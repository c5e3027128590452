"""A process whose children purge and are killed: ``python -m tests.procedures.purge.purging``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from procedures.purge import archiving, milestones, running
from runbook.site import Site
from runbook.targets.s3 import promises
from runbook.targets.s3.promises import Promises
from tests.procedures import killing
from tests.procedures.killing import Forking, Order, error_of, forking, serve

#: The piece in which rows are handed to the encoder, so small that even a small batch has several.
PIECE = 512


class Ended(NamedTuple):
    """How a child ended: by the signal, with what it says, or well."""

    killed: bool
    error: str | None


class Purger(Forking):
    """The process, as the tests see it: one purge at a time."""

    def start(self, site: Site, home: Path, *, at: str | None = None, nth: int = 1) -> None:
        """Have a child purge; it has begun when this returns."""
        self.send(Order(**self.common(site, home), at=at, nth=nth))

    def ended(self) -> Ended:
        """Wait until the child is gone."""
        killed, said = self.gone()
        return Ended(killed, said or None)

    def purge(self, site: Site, home: Path, *, at: str | None = None, nth: int = 1) -> Ended:
        """Both."""
        self.start(site, home, at=at, nth=nth)
        return self.ended()


@contextmanager
def purger() -> Iterator[Purger]:
    """The process, ready; it ends with the block."""
    with forking(Purger, __name__) as process:
        yield process


@contextmanager
def tried_once(process: Purger, site: Site) -> Iterator[None]:
    """What the storage really does is found out once, not by each of a hundred purges, here and in the children."""
    before = promises.tried_promises

    def kept(*given: Any, **named: Any) -> Promises:
        process.tried = process.tried or before(*given, **named)
        return process.tried

    promises.tried_promises = kept
    try:
        running.purge(site)
        yield
    finally:
        promises.tried_promises, process.tried = before, None


@contextmanager
def small_pieces() -> Iterator[None]:
    """Small batches have a middle too, in this process."""
    before, archiving._PIECE = archiving._PIECE, PIECE
    try:
        yield
    finally:
        archiving._PIECE = before


def _purged(words: bytes) -> str:
    order = msgspec.json.decode(words, type=Order)

    def work() -> None:
        order.arm(milestones)
        running.purge(order.site(), confirmed=True)

    return error_of(work) or ""


if __name__ == "__main__":
    killing.load()
    with small_pieces():
        serve(_purged)
