"""``muses-runbook docs``: the runbook written back from its rows, in both languages."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from runbook.cli import Exit, complain
from runbook.commands import catalogue
from runbook.coverage.matching import Matcher
from runbook.coverage.procedures import procedures
from runbook.grants.asked import Asked, asks
from runbook.rows import Row
from runbook.tongue import _

#: Language → the page's file.
PAGES = {"en": "rows.md", "es": "rows.es.md"}


@click.command(
    help=_("Write the runbook back from its rows: rows.md and rows.es.md"),
    epilog=_("Example: muses-runbook docs --check"),
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("docs"),
    metavar="FOLDER",
    help=_("Where the pages go (default: docs)"),
)
@click.option("--check", is_flag=True, help=_("Write nothing: exit 2 where a page is not what it would be"))
def docs(output: Path, check: bool) -> int:
    """Write the pages, or compare them. Declared numbers only: a site's own are not in them."""
    written = {output / PAGES[language]: words for language, words in pages(catalogue.load_rows()).items()}
    if check:
        stale = [path for path, words in written.items() if not path.is_file() or path.read_text("utf-8") != words]
        for path in stale:
            complain(_("{path} is not what the rows say: run muses-runbook docs").format(path=path))
        return Exit.CRITICAL if stale else Exit.OK
    output.mkdir(parents=True, exist_ok=True)
    for path, words in written.items():
        path.write_text(words, encoding="utf-8")
        click.echo(path)
    return Exit.OK


def pages(rows: Sequence[Row]) -> dict[str, str]:
    """Language → the page. Reads the rows' code, no target."""
    guide, language = importlib.import_module("reports.guide"), importlib.import_module("reports.language")
    described = [_described(row, guide) for row in rows]
    matcher = Matcher(rows)
    told = [
        guide.Told(
            number=one.number,
            command=one.command,
            words=one.words,
            settings=tuple(promise.written for promise in one.promises),
            rows=matcher.citing(one.number) if one.number else (),
        )
        for one in procedures()
    ]
    return {code: guide.page(described, told, language.Language(code)) for code in PAGES}


def _described(row: Row, guide: Any) -> Any:
    asked = asks(row)
    to_judge = _needs(asked.check)
    return guide.Described(
        row=row,
        to_judge=to_judge,
        to_explain=tuple(need for need in _needs(asked.probes) if need not in to_judge),
        operations=tuple(f"{one.target}.{one.name}" for one in asked.operations),
    )


def _needs(asked: tuple[Asked, ...]) -> tuple[str, ...]:
    return tuple(sorted({one.needs for one in asked if one.needs}))
