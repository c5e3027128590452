"""What a restore has to read, in which order, and what children learn from their parents on the way."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from procedures.archive.choosing import Test, Wanted, forms_of, linked, place_of, tests_of
from procedures.archive.reading import Archive, Batch, Contents, is_asked_for, published
from procedures.purge.tables import ERRORS, RECORD, RESPONSE, RESPONSES
from runbook.errors import ActionError
from runbook.text import text

Plan = list[tuple[str, list[Batch]]]


def needed(archive: Archive, wanted: Wanted) -> Contents:
    """The batches to read. Children have other days than their parents and no subsystem: they are chosen by those.

    Raises ActionError for errors that are asked for without the responses they belong to.
    """
    asked = wanted.selection
    found = published(archive, msgspec.structs.replace(asked, since=None, until=None, subsystem=None))
    tables = {batch.manifest.table for batch in found.batches}
    if not wanted.whole and ERRORS in tables and RESPONSES not in tables:
        said = text("rows of {errors} are found by their responses: name {table} too", errors=ERRORS, table=RESPONSES)
        raise ActionError("storage", "restore", said, refused=True)
    follow = any(map(is_record, tables))

    def is_needed(batch: Batch) -> bool:
        return is_asked_for(archive, batch.manifest, asked) or (follow and not is_record(batch.manifest.table))

    return Contents(tuple(filter(is_needed, found.batches)), found.problems)


def parents_first(batches: Iterable[Batch]) -> Plan:
    """Each table with its batches, newest first; records, then responses, then errors."""
    by_table: dict[str, list[Batch]] = {}
    for batch in sorted(batches, key=lambda batch: (batch.manifest.created_at, batch.key), reverse=True):
        by_table.setdefault(batch.manifest.table, []).append(batch)
    order = (RESPONSES, ERRORS)
    return sorted(by_table.items(), key=lambda item: (order.index(item[0]) + 1 if item[0] in order else 0, item[0]))


class Links:
    """What makes a row wanted: its own fields, or its parent, of which this remembers what children point at.

    ``follow``: records are restored too, so that their responses are wanted for their sake.
    """

    def __init__(self, archive: Archive, wanted: Wanted, *, follow: bool) -> None:
        self._archive, self._wanted, self._follow = archive, wanted, follow
        asked = wanted.selection
        by_more = (asked.since, asked.until, asked.subsystem) != (None,) * 3
        self._uuids = set() if by_more else forms_of(wanted.uuids)
        self._responses: set[bytes] = set()

    def tests(self, batch: Batch) -> tuple[Test, ...] | None:
        """What a line of the batch must pass; None where none of its rows can be wanted."""
        table = batch.manifest.table
        if not self._wanted.whole and table == ERRORS:
            return linked(batch, RESPONSE, self._responses)
        if not self._wanted.whole and table == RESPONSES and self._follow:
            return linked(batch, RECORD, self._uuids)
        return tests_of(self._archive, batch, self._wanted)

    def note(self, batch: Batch, some: Iterable[bytes]) -> None:
        """Remember what children of these wanted lines point at."""
        is_response = batch.manifest.table == RESPONSES
        at = place_of(batch, RESPONSE if is_response else RECORD)
        if at is not None and not self._wanted.whole and batch.manifest.table != ERRORS:
            (self._responses if is_response else self._uuids).update(line.split(b"\t", at + 1)[at] for line in some)


def is_record(table: str) -> bool:
    """Whether rows of the table are what the subsystems sent, not what became of it."""
    return table not in (RESPONSES, ERRORS)
