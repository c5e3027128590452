"""The rows of one statement, through a cursor: as many as are kept come here, all of them are counted."""

from __future__ import annotations

import heapq
import math
import re
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.redact import masked_text
from runbook.targets.postgres.connection import Line
from runbook.targets.scripts.masks import Column, personal
from runbook.targets.scripts.structs import Listing
from runbook.text import text

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

_BATCH = 1000
#: Characters of one cell that are kept.
CELL = 300
_INTERVAL = re.compile(
    r"(?:(-?\d+) years? ?)?(?:(-?\d+) mons? ?)?(?:(-?\d+) days? ?)?(?:(-?)(\d+):(\d+):(\d+(?:\.\d+)?))?\Z"
)
_ORIGINS = """
SELECT attrelid::int8 AS relation, attnum::int AS place, attname::text AS name
FROM pg_catalog.pg_attribute WHERE attrelid = ANY(%(relations)s::oid[])
"""
_Row = tuple[str | None, ...]


class Rows:
    """A cursor over one statement, open until ``close``. ``personal_columns`` are names beyond the usual ones."""

    def __init__(self, reader: Line, words: str, most: int, personal_columns: frozenset[str]) -> None:
        self._reader, self._most, self._started = reader, most, time.monotonic()
        # The extended protocol takes exactly one statement, however our reading of the script may err.
        declare = f"DECLARE muses_rows NO SCROLL CURSOR FOR {words}"
        reader.connection.execute(declare.encode(), binary=True)
        result, self._first = self._fetch()
        self.columns = self._columns(result)
        self._hidden = personal(words, self.columns, personal_columns)

    def all(self, line: int) -> Listing:
        """The first rows, and how many there are."""
        rows, batch = list(self._first), self._first
        while batch and len(rows) < self._most:
            _, batch = self._fetch()
            rows += batch
        behind = self._reader.connection.execute("MOVE FORWARD ALL IN muses_rows").rowcount if batch else 0
        return self._listing(line, rows[: self._most], len(rows) + behind)

    def counted(self, line: int) -> Listing:
        """A single number, which says how many were found."""
        rows = list(self._first)
        found = self._listing(line, rows, int(rows[0][0] or 0) if rows else 0)
        return msgspec.structs.replace(found, counted=True)

    def worst(self, line: int, column: str, *, largest: bool) -> Listing:
        """The rows furthest along a column, out of all. Raises ProbeError(ABSENT) where there is no such column."""
        place = self._place(line, column)
        count = without = 0

        def judged() -> Iterator[tuple[float, int, _Row]]:
            nonlocal count, without
            for row in self._each():
                count += 1
                value = _number(row[place])
                if value is None:
                    without += 1
                else:
                    yield value if largest else -value, -count, row

        kept = heapq.nlargest(self._most, judged())
        values = tuple(value if largest else -value for value, _, _ in kept)
        return self._listing(line, [row for _, _, row in kept], count, values, without)

    def close(self) -> None:
        """The next statement opens one of the same name."""
        self._reader.connection.execute("CLOSE muses_rows")

    def _each(self) -> Iterator[_Row]:
        batch = self._first
        while batch:
            yield from batch
            _, batch = self._fetch()

    def _fetch(self) -> tuple[PGresult, list[_Row]]:
        fetch = f"FETCH FORWARD {_BATCH} FROM muses_rows"
        result = self._reader.connection.execute(fetch.encode()).pgresult
        assert result is not None  # noqa: S101 - FETCH always gives one
        return result, [_texts(result, row) for row in range(result.ntuples)]

    def _listing(
        self,
        line: int,
        rows: Sequence[_Row],
        count: int,
        values: tuple[float, ...] | None = None,
        without_value: int = 0,
    ) -> Listing:
        return Listing(
            line=line,
            columns=tuple(masked_text(column.name) for column in self.columns),
            rows=tuple(self._shown(row) for row in rows),
            count=count,
            took=timedelta(seconds=time.monotonic() - self._started),
            values=values,
            without_value=without_value,
        )

    def _shown(self, row: _Row) -> _Row:
        return tuple(
            None if value is None else f"‹{self.columns[n].name.lower()}›" if n in self._hidden else masked_text(value)
            for n, value in enumerate(row)
        )

    def _place(self, line: int, column: str) -> int:
        names = [known.name.lower() for known in self.columns]
        if column.lower() not in names:
            words = text("Line {line}: there is no column {column} to judge", line=line, column=column)
            raise ProbeError(self._reader.access.target, ProbeFailure.ABSENT, words)
        return names.index(column.lower())

    def _columns(self, result: PGresult) -> tuple[Column, ...]:
        places = [(result.ftable(n), result.ftablecol(n)) for n in range(result.nfields)]
        origins = self._origins({relation for relation, _ in places if relation})
        names = [(result.fname(n) or b"").decode(errors="replace") for n in range(result.nfields)]
        return tuple(Column(name, result.ftype(n), origins.get(places[n])) for n, name in enumerate(names))

    def _origins(self, relations: set[int]) -> dict[tuple[int, int], str]:
        """The names of the tables' columns that are shown as they stand, by table and place."""
        from psycopg import sql

        if not relations:
            return {}
        found = self._reader.rows(sql.SQL(_ORIGINS), {"relations": sorted(relations)})
        return {(row["relation"], row["place"]): row["name"] for row in found}


def _texts(result: PGresult, row: int) -> _Row:
    cells = (result.get_value(row, column) for column in range(result.nfields))
    return tuple(None if cell is None else cell.decode(errors="replace")[:CELL] for cell in cells)


def _number(cell: str | None) -> float | None:
    """A number, or the seconds of an interval; None for anything else."""
    try:
        number = float(cell or "")
    except ValueError:
        return _seconds(cell or "")
    return number if math.isfinite(number) else None


def _seconds(cell: str) -> float | None:
    found = _INTERVAL.match(cell)
    if found is None or not any(found.groups()):
        return None
    years, months, days, sign, hours, minutes, seconds = found.groups()
    clock = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)
    whole = (int(years or 0) * 365.25 + int(months or 0) * 30 + int(days or 0)) * 86400
    return whole + (-clock if sign else clock)
