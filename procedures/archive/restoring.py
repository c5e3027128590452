"""Bring archived rows back: into side tables by default, or into the tables that they came from.

A table is one transaction, parents before children. Rows that a run archived more than once are restored once, in
their newest state; a row that is in the live table already is never written over.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from procedures.archive.choosing import Wanted, chosen
from procedures.archive.landing import Counts, Landing
from procedures.archive.planning import Links, is_record, needed, parents_first
from procedures.archive.reading import (
    Archive,
    Batch,
    Contents,
    Problem,
    body_of,
    lines_of,
    problem_of,
    text_of,
)
from procedures.archive.watching import Progress, Watch, unwatched
from runbook.errors import ActionError, ProbeError
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.working import working

if TYPE_CHECKING:
    from runbook.targets.postgres.connection import Connection

#: A side table's name is the table's, cut to what leaves room for the rest within PostgreSQL's 63 bytes.
_LONGEST = 40


class RestoredTable(msgspec.Struct, frozen=True, kw_only=True):
    """One table. ``into`` is where its rows went; ``rows`` is what the manifests of its batches count."""

    table: str
    into: str
    batches: int
    rows: int
    counts: Counts


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored, or (``done`` False) would be. ``problems`` are batches that could not be used.

    ``exact`` says that ``counts.read`` are the very rows asked for; else no more than ``rows`` of them are.
    """

    done: bool
    exact: bool
    tables: tuple[RestoredTable, ...]
    problems: tuple[Problem, ...]

    @property
    def found(self) -> int:
        """How many archived rows are asked for, repetitions among them; at most so many where it is not exact."""
        return sum(one.counts.read if self.exact else one.rows for one in self.tables)

    @property
    def different(self) -> int:
        """How many rows are in the live tables in another state, which they keep."""
        return sum(one.counts.different for one in self.tables)


def restore(
    archive: Archive,
    access: Access,
    wanted: Wanted,
    *,
    back: bool = False,
    execute: bool = False,
    skip_damaged: bool = False,
    watch: Watch = unwatched,
) -> Restored:
    """Restore the wanted rows; ``back`` into the live tables. Without ``execute`` it changes nothing and says how many.

    Responses and errors come along with the records that are wanted by uuid, days or subsystem. A damaged batch ends
    it, unless ``skip_damaged`` leaves it out and reports it. Raises ActionError, ProbeError: then the table at work is
    as it was, while tables that came before it are restored.
    """
    contents = needed(archive, wanted)
    work = _Restoring(archive, wanted, contents, watch, skip_damaged=skip_damaged)
    if not execute:
        exact = bool(wanted.uuids)
        tables = [work.counted(*one, back=back, really=exact) for one in work.plan]
        return work.result(tables, done=False, exact=exact)
    with working(access, "restore") as connection:
        tables = [work.restored(connection, *one, back=back) for one in work.plan]
    return work.result(tables, done=True, exact=True)


class _Restoring:
    """One restore on its way: what is left to do, what went wrong, what children need to know."""

    def __init__(
        self, archive: Archive, wanted: Wanted, contents: Contents, watch: Watch, *, skip_damaged: bool
    ) -> None:
        self.plan = parents_first(contents.batches)
        self._archive, self._wanted, self._watch, self._skips = archive, wanted, watch, skip_damaged
        self._stamp = datetime.now(archive.zone).strftime("%Y%m%d_%H%M")
        self._problems = list(contents.problems)
        self._links = Links(archive, wanted, follow=any(is_record(table) for table, _ in self.plan))
        self._batches, self._done, self._rows = len(contents.batches), 0, 0

    def result(self, tables: list[RestoredTable], *, done: bool, exact: bool) -> Restored:
        """The outcome."""
        return Restored(done=done, exact=exact, tables=tuple(tables), problems=tuple(self._problems))

    def counted(self, table: str, batches: list[Batch], *, back: bool, really: bool) -> RestoredTable:
        """What there is of one table; ``really`` reads it all. Changes nothing."""
        counts = Counts()
        for batch, text_of_it in self._texts(batches) if really else ():
            counts.read += sum(map(len, self._rows_of(batch, text_of_it)))
        return self._told(table, batches, counts, back=back)

    def restored(self, connection: Connection, table: str, batches: list[Batch], *, back: bool) -> RestoredTable:
        """Restore one table in one transaction."""
        with connection.transaction():
            landing = Landing(connection, self._archive.schema, self._into(table, back=back), back=back)
            landing.prepare(batches)
            for batch, text_of_it in self._texts(batches):
                landing.take(batch, self._rows_of(batch, text_of_it))
        return self._told(table, batches, landing.counts, back=back)

    def _told(self, table: str, batches: list[Batch], counts: Counts, *, back: bool) -> RestoredTable:
        rows = sum(self._most(batch) for batch in batches)
        into = f"{self._archive.schema}.{self._into(table, back=back)}"
        return RestoredTable(table=table, into=into, batches=len(batches), rows=rows, counts=counts)

    def _most(self, batch: Batch) -> int:
        """How many rows of a batch can be wanted, by its manifest."""
        number = self._wanted.selection.subsystem
        counted = batch.manifest.subsystems
        return batch.manifest.content.rows if number is None or not counted else counted.get(str(number), 0)

    def _into(self, table: str, *, back: bool) -> str:
        return table if back else f"{table[:_LONGEST]}_restored_{self._stamp}"

    def _texts(self, batches: list[Batch]) -> Iterator[tuple[Batch, Iterator[bytes]]]:
        """Each batch with its text, the next object being fetched while one is worked on."""
        with ThreadPoolExecutor(1) as ahead:
            fetching = ahead.submit(body_of, self._archive, batches[0])
            for batch, following in zip(batches, (*batches[1:], None), strict=True):
                try:
                    body = fetching.result()
                except (ActionError, ProbeError) as error:
                    if not self._skips:
                        raise
                    body = None
                    self._problems.append(problem_of(batch.key, error))
                if following is not None:
                    fetching = ahead.submit(body_of, self._archive, following)
                if body is not None:
                    yield batch, text_of(self._archive, batch, body)
                self._step(batch)

    def _step(self, batch: Batch) -> None:
        self._done += 1
        self._rows += batch.manifest.content.rows
        self._watch(Progress(self._done, self._batches, self._rows, batch.manifest.table))

    def _rows_of(self, batch: Batch, pieces: Iterator[bytes]) -> Iterator[list[bytes]]:
        """The wanted lines, some at a time."""
        tests = self._links.tests(batch)
        if tests is None:
            return
        for some in lines_of(batch, pieces):
            found = chosen(some, tests)
            self._links.note(batch, found)
            if found:
                yield found
