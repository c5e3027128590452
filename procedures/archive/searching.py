"""Find archived rows where they lie, without restoring them: for the citizen who asks about a year long gone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

import msgspec

from procedures.archive.choosing import Test, Wanted, chosen, tests_of
from procedures.archive.fields import BEFORE, value_of
from procedures.archive.reading import (
    Archive,
    Batch,
    Problem,
    body_of,
    lines_of,
    problem_of,
    published,
    text_of,
)
from procedures.archive.watching import Progress, Watch, unwatched
from runbook.errors import ActionError, ProbeError

#: Batches at once. Fetching, decrypting and decompressing leave Python's lock; splitting lines does not.
AT_ONCE = 2
#: Rows that are kept to be shown, unless more are asked for; all are counted.
MOST = 100

Row = dict[str, str | None]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One archived row: where it lies, and its values as PostgreSQL writes them."""

    table: str
    run: str
    batch: int
    key: str
    row: Row


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What was found: ``rows`` are the first of ``matches``, oldest batch first.

    ``batches`` and ``looked_through`` are the batches and rows that were read; ``without`` are the tables that have no
    such column, so that none of their rows can match.
    """

    rows: tuple[Found, ...]
    matches: int
    batches: int
    looked_through: int
    without: tuple[str, ...]
    problems: tuple[Problem, ...]


class _Looked(msgspec.Struct):
    batch: Batch
    lines: list[bytes]
    matches: int = 0
    problem: Problem | None = None


def search(archive: Archive, wanted: Wanted, *, most: int = MOST, watch: Watch = unwatched) -> Search:
    """Look through all batches that can hold the wanted rows. Reads only.

    A batch that is damaged or cannot be read is a problem in the result. Raises ProbeError, SettingsError where nothing
    can be read.
    """
    contents = published(archive, wanted.selection)
    tests = [(batch, tests_of(archive, batch, wanted)) for batch in contents.batches]
    asked = [(batch, test) for batch, test in tests if test is not None]
    without = {batch.manifest.table for batch, test in tests if test is None}
    looked = sorted(_all(archive, asked, most, watch), key=lambda one: contents.batches.index(one.batch))
    read = [one for one in looked if one.problem is None]
    return Search(
        rows=tuple(islice((row for one in read for row in _rows(one)), most)),
        matches=sum(one.matches for one in read),
        batches=len(read),
        looked_through=sum(one.batch.manifest.content.rows for one in read),
        without=tuple(sorted(without)),
        problems=(*contents.problems, *(one.problem for one in looked if one.problem)),
    )


def _all(archive: Archive, asked: list[tuple[Batch, tuple[Test, ...]]], most: int, watch: Watch) -> Iterator[_Looked]:
    done, rows, running = 0, 0, set[Future[_Looked]]()
    left = iter(asked)
    watch(Progress(0, len(asked), 0))
    with ThreadPoolExecutor(AT_ONCE) as readers:
        while True:
            running |= {readers.submit(_looked, archive, *one, most) for one in islice(left, AT_ONCE - len(running))}
            if not running:
                return
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ready:
                looked = future.result()
                done, rows = done + 1, rows + looked.batch.manifest.content.rows
                watch(Progress(done, len(asked), rows, looked.batch.manifest.table))
                yield looked


def _looked(archive: Archive, batch: Batch, tests: tuple[Test, ...], most: int) -> _Looked:
    looked = _Looked(batch, [])
    try:
        for some in lines_of(batch, text_of(archive, batch, body_of(archive, batch))):
            found = chosen(some, tests)
            looked.matches += len(found)
            looked.lines += found[: most - len(looked.lines)]
    except (ActionError, ProbeError) as error:
        looked.problem = problem_of(batch.key, error)
    return looked


def _rows(looked: _Looked) -> Iterator[Found]:
    said, columns = looked.batch.manifest, looked.batch.columns
    for line in looked.lines:
        values = (value_of(field) for field in line.split(b"\t")[BEFORE:])
        row = {c: None if v is None else v.decode() for c, v in zip(columns, values, strict=True)}
        yield Found(table=said.table, run=said.run, batch=said.batch, key=looked.batch.key, row=row)
