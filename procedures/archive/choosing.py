"""Which rows of a batch are wanted: tests on single fields, so that a line is split no further than it must be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from procedures.archive.fields import BEFORE, NULL, days, field_of, value_of
from procedures.archive.reading import Archive, Batch, Selection, is_aware
from procedures.purge.tables import RECORD, SUBSYSTEM

Holds = Callable[[bytes], bool]
CURP = "curp"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Rows within the chosen batches: all that is given must hold.

    ``curp_hash`` is the hex SHA-256 of the CURP in upper case; it is met by any column whose name begins with
    ``curp``. A row whose table lacks a column that is asked about is not wanted.
    """

    selection: Selection = Selection()
    uuids: tuple[str, ...] = ()
    curp_hash: str | None = None

    @property
    def whole(self) -> bool:
        """Whether every row of the chosen batches is wanted."""
        asked = self.selection
        return not self.uuids and self.curp_hash is None and (asked.since, asked.until, asked.subsystem) == (None,) * 3


class Test(NamedTuple):
    """Holds where one of these fields (counted in the line) passes."""

    fields: tuple[int, ...]
    holds: Holds


def tests_of(archive: Archive, batch: Batch, wanted: Wanted) -> tuple[Test, ...] | None:
    """What a line must pass to be wanted; empty where all are, None where no row of the table can be."""
    asked, found = wanted.selection, []
    if wanted.uuids:
        found.append(_on((RECORD,), batch, forms_of(wanted.uuids).__contains__))
    if wanted.curp_hash is not None:
        curps = tuple(name for name in batch.columns if name.lower().startswith(CURP))
        found.append(_on(curps, batch, _hashes_to(wanted.curp_hash)))
    if asked.subsystem is not None:
        found.append(_on((SUBSYSTEM,), batch, field_of(str(asked.subsystem)).__eq__))
    if asked.since is not None or asked.until is not None:
        span = days(asked.since, asked.until, archive.zone, aware=is_aware(batch.manifest))
        found.append(_on((batch.manifest.time_column or "",), batch, span.hold))
    tests = tuple(test for test in found if test is not None)
    return tests if len(tests) == len(found) else None


def chosen(some: Iterable[bytes], tests: tuple[Test, ...]) -> list[bytes]:
    """The lines that pass all tests."""
    if not tests:
        return list(some)
    splits = max(max(test.fields) for test in tests) + 1

    def passes(line: bytes) -> bool:
        parts = line.split(b"\t", splits)
        return all(any(test.holds(parts[at]) for at in test.fields) for test in tests)

    return [line for line in some if passes(line)]


def linked(batch: Batch, column: str, values: set[bytes]) -> tuple[Test, ...] | None:
    """The test that a row belongs to one of the rows with these ``values``, as fields."""
    test = _on((column,), batch, values.__contains__)
    return None if test is None else (test,)


def place_of(batch: Batch, column: str) -> int | None:
    """Which field of a line holds the column."""
    return batch.columns.index(column) + BEFORE if column in batch.columns else None


def forms_of(uuids: Iterable[str]) -> set[bytes]:
    """These uuids as fields, in whichever case they were sent."""
    return {field_of(form) for uuid in uuids for form in (uuid, uuid.lower(), uuid.upper())}


def _on(columns: tuple[str, ...], batch: Batch, holds: Holds) -> Test | None:
    places = tuple(place for column in columns if (place := place_of(batch, column)) is not None)
    return Test(places, holds) if places else None


def _hashes_to(wanted: str) -> Holds:
    digest = bytes.fromhex(wanted)

    def holds(field: bytes) -> bool:
        if field == NULL:
            return False
        value = (value_of(field) or b"").decode().strip().upper().encode()
        return hashlib.sha256(value).digest() == digest

    return holds
