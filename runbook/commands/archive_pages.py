"""What the commands of the archive show: progress, pages for people, the same as plain values for JSON."""

from __future__ import annotations

import importlib
import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from runbook.text import text
from runbook.tongue import told

Watch = Callable[[Any], None]
Rows = list[tuple[str, dict[str, str | None]]]


@contextmanager
def progress(*, quiet: bool) -> Iterator[Watch]:
    """A bar on standard error while batches are read; nothing where nobody looks."""
    if quiet or not sys.stderr.isatty():
        yield lambda _progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    words = TextColumn("{task.description}", markup=False)
    rate = TextColumn("{task.fields[rate]}")
    with Progress(
        words,
        BarColumn(),
        MofNCompleteColumn(),
        rate,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as shown:
        task = shown.add_task("", total=None, rate="")

        def watch(now: Any) -> None:
            elapsed = shown.tasks[0].elapsed or 0.0
            rate = f"{now.rows / elapsed:,.0f}/s" if elapsed else ""
            shown.update(task, completed=now.done, total=now.batches, description=now.table, rate=rate)

        yield watch


def verification(found: Any) -> str:
    """One line a batch that is wrong, then the sum."""
    if not found.batches:
        return told(text("No batch matches: nothing was read"))
    lines = [f"✗ {one.table} {one.run} {one.batch}" for one in found.batches if one.problem]
    lines.append(
        told(
            text(
                "{good} of {count} batches are as they were archived: {rows} rows, {bytes} bytes of text",
                good=len(found.good),
                count=len(found.batches),
                rows=found.rows,
                bytes=found.bytes,
            )
        )
    )
    if len(found.batches) < found.published:
        lines.append(told(text("A sample: there are {count} batches", count=found.published)))
    return "\n".join(lines)


def plain_verification(found: Any) -> dict[str, Any]:
    """For JSON."""
    return {
        "batches": len(found.batches),
        "good": len(found.good),
        "published": found.published,
        "rows": found.rows,
        "bytes": found.bytes,
        "problems": _problems(found),
    }


def restored(found: Any) -> str:
    """One paragraph a table."""
    lines = [line for table in found.tables for line in _restored_table(found, table)]
    if not found.found:
        lines.append(told(text("Nothing that was asked for is archived")))
    if not found.done:
        lines.append(told(text("Nothing was changed: --execute restores it")))
    return "\n".join(lines)


def _restored_table(found: Any, table: Any) -> Iterator[str]:
    counts, named = table.counts, {"table": table.table, "into": table.into}
    if not found.done:
        if found.exact:
            words = text("{table}: {rows} archived rows would go into {into}", rows=counts.read, **named)
        else:
            words = text("{table}: at most {rows} archived rows would go into {into}", rows=table.rows, **named)
        yield told(words)
        return
    yield told(text("{table}: {rows} rows restored into {into}", rows=counts.restored, **named))
    repeated = counts.repeated + counts.older
    if repeated:
        words = text(
            "{count} were archived more than once: the newest state was taken ({older} had an older one)",
            count=repeated,
            older=counts.older,
        )
        yield f"    {told(words)}"
    if counts.identical:
        words = text("{count} are in the table already, just the same", count=counts.identical)
        yield f"    {told(words)}"
    if counts.different:
        shown = ", ".join(counts.conflicts) + (" …" if counts.different > len(counts.conflicts) else "")
        words = text(
            "{count} are in the table in another state and stay as they are: {keys}",
            count=counts.different,
            keys=_clean(shown),
        )
        yield f"    {told(words)}"


def plain_restored(found: Any) -> dict[str, Any]:
    """For JSON and the journal."""
    names = ("read", "restored", "repeated", "older", "identical", "different", "conflicts")
    tables = [
        {"table": one.table, "into": one.into, "batches": one.batches, "rows": one.rows}
        | {name: getattr(one.counts, name) for name in names}
        for one in found.tables
    ]
    return {"done": found.done, "exact": found.exact, "tables": tables, "problems": _problems(found)}


def rows_of(found: Any, mask: Callable[[dict[str, str | None]], dict[str, str | None]] | None) -> Rows:
    """The rows as they may be shown, each with where it lies (nothing for an answer of SQL, masked by itself)."""
    if not hasattr(found, "matches"):
        return [("", row) for row in found.rows]
    return [(f"{one.table} {one.run} {one.batch}", mask(one.row) if mask else one.row) for one in found.rows]


def search(found: Any, rows: Rows) -> str:
    """A paragraph a row, NULLs left out; then how much was looked through."""
    lines = [line for where, row in rows for line in _row(where, row)]
    matches = getattr(found, "matches", len(rows))
    if matches > len(rows) or getattr(found, "more", False):
        lines.append(told(text("Only the first {count} are shown: see --limit", count=len(rows))))
    lines.append(
        told(
            text(
                "{matches} found; {batches} batches with {rows} rows were looked through",
                matches=matches,
                batches=found.batches,
                rows=found.looked_through,
            )
        )
    )
    if without := getattr(found, "without", ()):
        lines.append(told(text("No such column, so not looked through: {tables}", tables=", ".join(without))))
    return "\n".join(lines)


def plain_search(found: Any, rows: Rows) -> dict[str, Any]:
    """For JSON."""
    return {
        "rows": [{"where": where, "row": row} if where else row for where, row in rows],
        "matches": getattr(found, "matches", len(rows)),
        "more": getattr(found, "more", getattr(found, "matches", 0) > len(rows)),
        "batches": found.batches,
        "looked_through": found.looked_through,
        "without": list(getattr(found, "without", ())),
        "problems": _problems(found),
    }


def who() -> str:
    """The account that asks, and behind sudo the person's."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    behind = os.environ.get("SUDO_USER")
    return f"{name} ({behind})" if behind and behind != name else name


def _row(where: str, row: dict[str, str | None]) -> Iterator[str]:
    if where:
        yield where
    for name, value in row.items():
        if value is not None:
            yield f"    {_clean(name)}: {_clean(value)}"
    yield ""


def _problems(found: Any) -> list[dict[str, Any]]:
    return [{"batch": one.key, "problem": told(one.said), "damaged": one.damaged} for one in found.problems]


def _clean(words: str) -> str:
    """Words of the archive on one line, without escape sequences."""
    cleaned: str = importlib.import_module("reports.clean").one_line(words)
    return cleaned
