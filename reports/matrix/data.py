"""The matrix as JSON: for scripts, with states in the model's own words and texts as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from reports.clean import outgoing
from reports.matrix import Column, state_of
from runbook.model import SCHEMA_VERSION, Record, State, final, is_waived
from runbook.text import Text

_ENCODER = msgspec.json.Encoder(order="sorted", enc_hook=str)


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A row in one environment at the end of its run."""

    state: State
    waived: bool
    summary: Text


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row in every environment, in their order; null where an environment was not judged or has no such row."""

    row: str
    title: Text
    judged: tuple[Judged | None, ...]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One environment; ``run`` and ``folder`` lead to its own report, ``error`` says why there is none."""

    site: str
    environment: str
    state: State
    error: Text | None
    run: str | None
    folder: str | None
    ended_at: datetime | None
    interrupted: bool


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of it; ``state`` is the worst."""

    state: State
    environments: tuple[Place, ...]
    rows: tuple[Row, ...]
    schema: int = SCHEMA_VERSION


def render(columns: Sequence[Column]) -> bytes:
    """UTF-8 with sorted keys and a newline at its end, masked once more."""
    matrix = Matrix(state=state_of(columns), environments=tuple(map(_place, columns)), rows=_rows(columns))
    return _ENCODER.encode(outgoing(matrix)) + b"\n"


def _place(column: Column) -> Place:
    run = column.run
    return Place(
        site=column.site,
        environment=column.environment,
        state=column.state,
        error=column.error,
        run=run.id if run else None,
        folder=str(column.folder) if column.folder else None,
        ended_at=run.ended_at if run else None,
        interrupted=run.interrupted if run else False,
    )


def _rows(columns: Sequence[Column]) -> tuple[Row, ...]:
    found = [{record.row: record for record in column.run.records} if column.run else {} for column in columns]
    titles = {row: record.title for rows in reversed(found) for row, record in rows.items()}
    return tuple(
        Row(row=row, title=title, judged=tuple(_judged(rows.get(row)) for rows in found))
        for row, title in sorted(titles.items())
    )


def _judged(record: Record | None) -> Judged | None:
    if record is None:
        return None
    verdict = final(record)
    return Judged(state=verdict.state, waived=is_waived(record), summary=verdict.summary)
