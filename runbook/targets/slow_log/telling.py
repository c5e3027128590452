"""Counts made into what people are told: shapes merged by the grammar, literals masked, spans as spans."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from runbook.targets.slow_log import grammar
from runbook.targets.slow_log.counted import Shape
from runbook.targets.slow_log.events import Spent
from runbook.targets.slow_log.findings import Checkpoints, Maintenance, SlowLog, SlowStatement
from runbook.targets.slow_log.shapes import true_text
from runbook.targets.slow_log.tally import Tally
from runbook.targets.sql_text import NUMBER_MARK, masked_literals

#: Characters of a statement that the grammar is given: more than anybody is shown.
_PARSED = 200_000
_SHOWN = 2000
Merged = tuple[Shape, "str | None"]


def told(tally: Tally, most: int | None = None) -> SlowLog:
    """All that was counted; of the statements those of greatest total time, at most so many."""
    events, counts = tally.events, tally.events.counts
    merged = _merged(tally.shapes.values())
    whole = sum(shape.total for shape, _ in merged)
    chosen = sorted(_with_plans(merged, tally), key=lambda item: -item[0].total)[:most]
    return SlowLog(
        statements=tuple(_statement(shape, fingerprint, whole) for shape, fingerprint in chosen if shape.count),
        first=tally.first,
        last=tally.last,
        bytes=tally.bytes,
        records=tally.records,
        unread=tally.unread,
        unplaced=tally.unplaced,
        total=_ms(whole),
        waits=dict(events.waits.most_common()),
        waited=_ms(events.waited),
        deadlocks=counts["deadlocks"],
        lock_timeouts=counts["lock_timeouts"],
        statement_timeouts=counts["statement_timeouts"],
        temp_files=counts["temp_files"],
        temp_bytes=counts["temp_bytes"],
        errors=dict(events.errors.most_common()),
        maintenance=_maintenance(events.maintenance),
        checkpoints=_checkpoints(events.checkpoints, counts["buffers"], counts["too_frequent"]),
        grammar=grammar.available(),
    )


def _merged(shapes: Iterable[Shape]) -> list[Merged]:
    """Shapes that the grammar takes for one are one; the words are those of the one that took most time."""
    groups: dict[str, Merged] = {}
    for shape in sorted(shapes, key=lambda shape: -shape.total):
        fingerprint = _fingerprint(shape)
        key = fingerprint or f"text {shape.text}"
        if key in groups:
            groups[key][0].merge(shape)
        else:
            groups[key] = shape, fingerprint
    return list(groups.values())


def _fingerprint(shape: Shape) -> str | None:
    if not grammar.available():
        return None
    if shape.worst:
        example = masked_literals(true_text(shape.worst), longest=_PARSED).replace(NUMBER_MARK, "0")
        return grammar.fingerprint(example, shape.text)
    return grammar.fingerprint(shape.text)


def _with_plans(merged: list[Merged], tally: Tally) -> list[Merged]:
    """What auto_explain logged counts where the statement was not logged with its time, too."""
    timed = {fingerprint or shape.text for shape, fingerprint in merged if shape.count}
    plans = _merged(tally.explained.values())
    return merged + [(shape, mark) for shape, mark in plans if (mark or shape.text) not in timed]


def _statement(shape: Shape, fingerprint: str | None, whole: float) -> SlowStatement:
    example = masked_literals(true_text(shape.worst), longest=_PARSED)
    parsable = example.replace(NUMBER_MARK, "0")
    return SlowStatement(
        query=shape.text,
        count=shape.count,
        total=_ms(shape.total),
        longest=_ms(shape.longest),
        mean=_ms(shape.total / shape.count),
        p95=_ms(shape.percentile(0.95)),
        share=shape.total / whole if whole else 0.0,
        tables=grammar.tables(parsable),
        example=example if len(example) <= _SHOWN else example[: _SHOWN - 1] + "…",
        fingerprint=fingerprint,
        preparing=_ms(shape.preparing),
        waits=shape.waits,
        waited=_ms(shape.waited),
        temp_files=shape.temp_files,
        temp_bytes=shape.temp_bytes,
        failures=shape.failures,
    )


def _maintenance(spent: dict[tuple[str, str], Spent]) -> tuple[Maintenance, ...]:
    ordered = sorted(spent.items(), key=lambda item: -item[1].total)
    return tuple(
        Maintenance(
            table=table,
            kind=kind,
            count=each.count,
            total=timedelta(seconds=each.total),
            longest=timedelta(seconds=each.longest),
        )
        for (table, kind), each in ordered
    )


def _checkpoints(spent: Spent, buffers: int, too_frequent: int) -> Checkpoints:
    return Checkpoints(
        count=spent.count,
        buffers=buffers,
        total=timedelta(seconds=spent.total),
        longest=timedelta(seconds=spent.longest),
        too_frequent=too_frequent,
    )


def _ms(milliseconds: float) -> timedelta:
    return timedelta(milliseconds=milliseconds)
