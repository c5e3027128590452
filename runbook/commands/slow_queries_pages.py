"""What ``muses-runbook slow-queries`` shows: a table for people, JSON for programs. Everything is masked here again."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from runbook.redact import masked, masked_text
from runbook.targets.slow_log.findings import SlowLog, SlowStatement
from runbook.text import text
from runbook.tongue import _, told

#: Less than this is read before a bar could be looked at.
_LONG_WORK = 50_000_000
_NARROWEST = 60


def plain(found: SlowLog) -> Iterator[str]:
    """Everything as JSON: times in milliseconds, sizes in bytes, shares from 0 to 1."""
    yield json.dumps(masked(_spelled(found)), ensure_ascii=False, indent=2)


def shown(found: SlowLog) -> Iterator[str]:
    """The table of statements, an example of each, and what else the server logged."""
    yield _period(found)
    if not found.records:
        return
    if not found.grammar:
        yield told(text("The parser is not installed: statements are grouped by their words (extra: statements)"))
    if found.statements:
        yield ""
        yield _table(found)
        yield from _examples(found.statements)
    yield ""
    yield from _events(found)


@contextmanager
def progress(total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on standard error for long work at a terminal; it takes how many bytes were read."""
    if quiet or total < _LONG_WORK or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
    with bar:
        task = bar.add_task(_("Reading"), total=total)

        def note(count: int) -> None:
            bar.advance(task, count)
            bar.refresh()

        yield note


def _period(found: SlowLog) -> str:
    said = text(
        "{records} records ({megabytes} MB) from {first} to {last}; statements took {total} s",
        records=found.records,
        megabytes=round(found.bytes / 1e6, 1),
        first=found.first or "—",
        last=found.last or "—",
        total=round(found.total.total_seconds(), 1),
    )
    return told(said)


def _table(found: SlowLog) -> str:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, pad_edge=False, expand=True)
    for name in ("#", _("Share"), _("Calls"), _("Total s"), _("Mean ms"), _("p95 ms"), _("Max ms")):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(_("Statement"), overflow="ellipsis", no_wrap=True, ratio=1)
    for number, each in enumerate(found.statements, 1):
        total = f"{each.total.total_seconds():.1f}"
        times = map(_milliseconds, (each.mean, each.p95, each.longest))
        words = Text(_printable(masked_text(each.query)))
        table.add_row(str(number), f"{each.share:.1%}", str(each.count), total, *times, words)
    written = io.StringIO()
    width = max(shutil.get_terminal_size((120, 24)).columns, _NARROWEST)
    Console(file=written, width=width, color_system=None).print(table)
    return written.getvalue().rstrip()


def _examples(statements: tuple[SlowStatement, ...]) -> Iterator[str]:
    for number, each in enumerate(statements, 1):
        yield ""
        yield f"{number}. {_printable(masked_text(each.example or each.query))}"
        facts = list(_facts(each))
        if facts:
            yield "   " + "; ".join(facts)


def _facts(each: SlowStatement) -> Iterator[str]:
    if each.tables:
        yield told(text("tables: {names}", names=_printable(", ".join(each.tables))))
    if each.preparing:
        yield told(text("parse and bind: {spent} ms", spent=_milliseconds(each.preparing)))
    if each.waits or each.waited:
        yield told(
            text("waited for locks {count} times, {spent} ms", count=each.waits, spent=_milliseconds(each.waited))
        )
    if each.temp_files:
        megabytes = round(each.temp_bytes / 1e6, 1)
        yield told(text("temporary files: {count}, {megabytes} MB", count=each.temp_files, megabytes=megabytes))
    if each.failures:
        yield told(text("failed {count} times", count=each.failures))


def _events(found: SlowLog) -> Iterator[str]:
    waits = ", ".join(f"{mode} {count}" for mode, count in found.waits.items()) or "0"
    waited = _milliseconds(found.waited)
    yield told(text("Waits for locks: {waits}; acquired after {waited} ms in all", waits=waits, waited=waited))
    said = text(
        "Deadlocks: {deadlocks}; ended by lock_timeout: {locks}; by statement_timeout: {statements}",
        deadlocks=found.deadlocks,
        locks=found.lock_timeouts,
        statements=found.statement_timeouts,
    )
    yield told(said)
    megabytes = round(found.temp_bytes / 1e6, 1)
    yield told(text("Temporary files: {count}, {megabytes} MB", count=found.temp_files, megabytes=megabytes))
    points = found.checkpoints
    said = text(
        "Checkpoints: {count}, {buffers} buffers, {spent} s; the longest {longest} s; too frequent {frequent} times",
        count=points.count,
        buffers=points.buffers,
        spent=round(points.total.total_seconds(), 1),
        longest=round(points.longest.total_seconds(), 1),
        frequent=points.too_frequent,
    )
    yield told(said)
    for each in found.maintenance[:5]:
        spent = round(each.total.total_seconds(), 1)
        names = {"kind": each.kind, "table": _printable(each.table), "count": each.count, "spent": spent}
        yield told(text("Automatic {kind} of {table}: {count} times, {spent} s", **names))
    errors = ", ".join(f"{level} {count}" for level, count in found.errors.items()) or "0"
    yield told(text("Errors: {errors}; lines that are no record: {unread}", errors=errors, unread=found.unread))


def _milliseconds(span: timedelta) -> str:
    return f"{span.total_seconds() * 1000:.1f}"


def _printable(words: str) -> str:
    """Text from a log without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in words)


def _spelled(value: Any) -> Any:
    """Structs as dicts; a span ``total`` becomes ``total_ms``."""
    import msgspec

    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        spans = {name: span for name, span in fields.items() if isinstance(span, timedelta)}
        return {f"{name}_ms" if name in spans else name: _spelled(inner) for name, inner in fields.items()}
    if isinstance(value, timedelta):
        return round(value / timedelta(milliseconds=1), 3)
    return [_spelled(inner) for inner in value] if isinstance(value, tuple) else value
