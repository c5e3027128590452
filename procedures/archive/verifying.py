"""Prove that the archive can be read: every byte of the chosen batches, against what their manifests say."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime

import msgspec

from procedures.archive.encoding import Counting
from procedures.archive.fields import BEFORE
from procedures.archive.reading import (
    Archive,
    Batch,
    Problem,
    Selection,
    body_of,
    damaged,
    lines_of,
    problem_of,
    published,
    text_of,
)
from procedures.archive.watching import Progress, Watch, unwatched
from runbook.errors import ActionError, ProbeError
from runbook.text import text

#: Batches at once: decompressing and hashing leave Python's lock, and there is one network.
AT_ONCE = 2


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """One batch, read whole. Without a ``problem`` it is what its manifest says, to the byte."""

    key: str
    table: str
    run: str
    batch: int
    created_at: datetime
    rows: int
    bytes: int
    problem: Problem | None = None


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What was read back. ``published`` counts the batches there were to choose a sample from.

    ``problems`` are all there are: manifests that could not be read, and batches that are not what they should be.
    """

    batches: tuple[Verified, ...]
    published: int
    problems: tuple[Problem, ...]

    @property
    def good(self) -> tuple[Verified, ...]:
        """Those that are proven."""
        return tuple(one for one in self.batches if one.problem is None)

    @property
    def rows(self) -> int:
        """Rows of the proven batches."""
        return sum(one.rows for one in self.good)

    @property
    def bytes(self) -> int:
        """Bytes of their text, without compression."""
        return sum(one.bytes for one in self.good)


def verify(
    archive: Archive, selection: Selection, *, sample: int | None = None, watch: Watch = unwatched
) -> Verification:
    """Read back the chosen batches, or ``sample`` of them by chance. Reads only.

    A batch that is damaged or cannot be read is a problem in the result; what keeps all from being read is raised:
    ProbeError, ActionError, SettingsError (an age identity that is missing).
    """
    contents = published(archive, selection)
    chosen = contents.batches
    if sample is not None and sample < len(chosen):
        chosen = tuple(random.sample(chosen, sample))  # no secret hangs on it
    done = tuple(sorted(_all(archive, chosen, watch), key=lambda one: (one.created_at, one.key)))
    found = (*contents.problems, *(one.problem for one in done if one.problem))
    return Verification(batches=done, published=len(contents.batches), problems=found)


def _all(archive: Archive, batches: tuple[Batch, ...], watch: Watch) -> Iterator[Verified]:
    rows = 0
    watch(Progress(0, len(batches), 0))
    with ThreadPoolExecutor(AT_ONCE) as readers:
        reading = [readers.submit(_verified, archive, batch) for batch in batches]
        try:
            for done, future in enumerate(as_completed(reading), 1):
                verified = future.result()
                rows += verified.rows
                watch(Progress(done, len(batches), rows, verified.table))
                yield verified
        finally:
            readers.shutdown(wait=False, cancel_futures=True)


def _verified(archive: Archive, batch: Batch) -> Verified:
    try:
        _prove(archive, batch)
        problem = None
    except (ProbeError, ActionError) as error:
        problem = problem_of(batch.key, error)
    said = batch.manifest
    return Verified(
        key=batch.key,
        table=said.table,
        run=said.run,
        batch=said.batch,
        created_at=said.created_at,
        rows=said.content.rows,
        bytes=said.content.bytes,
        problem=problem,
    )


def _prove(archive: Archive, batch: Batch) -> None:
    """Raises Damaged for the first thing that is not as the manifest says."""
    counting, tabs = Counting(), len(batch.manifest.columns) + BEFORE - 1

    def counted() -> Iterator[bytes]:
        for piece in text_of(archive, batch, body_of(archive, batch)):
            counting.feed(piece)
            yield piece

    for some in lines_of(batch, counted()):
        if any(line.count(b"\t") != tabs for line in some):
            raise damaged(
                text("{batch} is damaged: a line does not have {count} fields", batch=batch.key, count=tabs + 1)
            )
    said, found = batch.manifest.content, counting.content
    if found.rows != said.rows:
        raise damaged(
            text(
                "{batch} is damaged: it holds {found} rows in place of {said}",
                batch=batch.key,
                found=found.rows,
                said=said.rows,
            )
        )
    if found != said:
        raise damaged(
            text("{batch} is damaged: the SHA-256 of its rows is not the one that was recorded", batch=batch.key)
        )
