"""What Prometheus answers, and the series in it. Pure.

A value is text there: ``NaN`` and ``±Inf`` are no measures and are left out. Where a target was gone (stale) there is
no sample at all, so a gap is a gap and never a zero.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import msgspec

Sample = tuple[datetime, float]


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One series: its labels and its samples, oldest first, only finite ones."""

    labels: dict[str, str]
    samples: tuple[Sample, ...]


class _Row(msgspec.Struct, frozen=True):
    """Of a vector (``value``) or a matrix (``values``); a native histogram has neither."""

    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None
    values: tuple[tuple[float, str], ...] = ()


class _Data(msgspec.Struct, frozen=True):
    kind: str = msgspec.field(name="resultType")
    result: Any = None


class Answer(msgspec.Struct, frozen=True):
    """The envelope of the HTTP API. ``warnings`` say that something is missing in ``data``."""

    data: _Data
    status: str = "success"
    warnings: tuple[str, ...] = ()

    def series(self) -> tuple[Series, ...]:
        """The series of a vector, a matrix or a scalar. Raises msgspec.ValidationError for anything else."""
        if self.data.kind == "scalar":
            return (_series(_Row(value=msgspec.convert(self.data.result, tuple[float, str]))),)
        return tuple(map(_series, msgspec.convert(self.data.result, tuple[_Row, ...])))


def _series(row: _Row) -> Series:
    given = row.values or ((row.value,) if row.value else ())
    samples = ((datetime.fromtimestamp(at, UTC), float(value)) for at, value in given)
    return Series(labels=row.metric, samples=tuple((at, value) for at, value in samples if math.isfinite(value)))
