"""``muses-runbook coverage GUIDE.md``: a written runbook held against the rows."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from runbook import site_file
from runbook.cli import Exit
from runbook.commands import catalogue
from runbook.commands.options import as_json, of_language, of_site
from runbook.coverage.comparing import Coverage, Mapped, compare
from runbook.coverage.drifting import Numbers
from runbook.coverage.guide import read
from runbook.coverage.procedures import procedures
from runbook.errors import SettingsError
from runbook.limits import configured
from runbook.rows import Row, find
from runbook.settings import EnvironmentSettings
from runbook.tongue import _, spoken

KINDS = {
    "metric": _("metric"),
    "symptom": _("symptom"),
    "cause": _("cause"),
    "step": _("step"),
    "procedure": _("procedure"),
}
#: What a person does not see of a guide; an id in it says which row is meant.
_COMMENT = re.compile(r"<!--.*?-->")


@click.command(
    help=_("Hold a written runbook (Markdown) against the rows: what has none, what drifted, what the text lacks"),
    epilog=_("Example: muses-runbook coverage docs/guide.es.md"),
)
@click.argument("guide", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="GUIDE.md")
@click.option("--tolerate-unwritten", is_flag=True, help=_("Do not mind rows that the guide says nothing of"))
@of_site
@of_language
@as_json
def coverage(
    guide: Path, tolerate_unwritten: bool, settings: Path | None, env: str | None, lang: str | None, as_json: bool
) -> int:
    """Exit 0 where both say the same, 1 for rows the text lacks, 2 for gaps and drift, 3 where nothing was read."""
    environment = _environment(settings, env)
    rows = catalogue.load_rows(environment)
    numbers = {row.id: _numbers(row, environment) for row in rows}
    found = compare(read(_source(guide)), rows, numbers, procedures(environment))
    shown = json.dumps(_plain(found), ensure_ascii=False, indent=2) if as_json else "\n".join(_page(guide, found))
    click.echo(shown)
    return _exit(found, tolerate_unwritten)


def _exit(found: Coverage, tolerate_unwritten: bool) -> Exit:
    if not found.mapped:
        return Exit.UNKNOWN
    if found.gaps or found.drifted:
        return Exit.CRITICAL
    return Exit.WARNING if found.unwritten and not tolerate_unwritten else Exit.OK


def _environment(settings: Path | None, env: str | None) -> EnvironmentSettings | None:
    """The site's own numbers only where a site is named: a guide is checked in CI without one."""
    return site_file.load(settings).environment(env)[1] if settings or env else None


def _numbers(row: Row, environment: EnvironmentSettings | None) -> Numbers:
    overrides = environment.limits.get(row.id, {}) if environment else {}
    return Numbers(*configured(row.threshold, row.settings, overrides))


def _source(guide: Path) -> str:
    try:
        return guide.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise SettingsError(_("the guide cannot be read: {reason}").format(reason=reason), file=guide) from None


def _page(guide: Path, found: Coverage) -> Iterator[str]:
    for one in found.mapped:
        yield _line(guide, one)
        yield from (f"      {_said(drift)}" for drift in one.drifts)
    for line in found.other_tables:
        yield f"  – {guide}:{line}  " + _("a table of another form: not read")
    if found.unwritten:
        yield _("Rows that the guide says nothing of:")
        yield from (f"  + {id}  {_said(find(id).title)}" for id in found.unwritten)
    if not found.mapped:
        yield _("No table of metrics or symptoms and no section of procedures was found: nothing was compared")
        return
    counts = {"all": len(found.mapped), "gaps": len(found.gaps), "drifted": len(found.drifted)}
    yield _("{all} stated, {gaps} without a row, {drifted} drifted, {unwritten} rows not written").format(
        **counts, unwritten=len(found.unwritten)
    )


def _line(guide: Path, one: Mapped) -> str:
    mark = "✗" if not one.covered else "≠" if one.drifts else "✓"
    stands = ", ".join((*one.runs, *one.rows)) or _("no row")
    near = f" ({_('the nearest')}: {one.nearest})" if one.nearest else ""
    words = _COMMENT.sub("", one.item.words).strip()
    return f"  {mark} {guide}:{one.item.line}  {KINDS[one.item.kind]}: {words} → {stands}{near}"


def _said(words: Any) -> str:
    """As reports say it: with amounts and nouns of the language."""
    language = importlib.import_module("reports.language").Language(spoken())
    return str(language.say(words))


def _plain(found: Coverage) -> dict[str, Any]:
    return {
        "stated": [_plain_item(one) for one in found.mapped],
        "gaps": len(found.gaps),
        "drifted": len(found.drifted),
        "unwritten": list(found.unwritten),
        "other_tables": list(found.other_tables),
    }


def _plain_item(one: Mapped) -> dict[str, Any]:
    return {
        "line": one.item.line,
        "kind": one.item.kind,
        "words": one.item.words,
        "under": one.item.under or None,
        "rows": list(one.rows),
        "procedures": list(one.runs),
        "drift": [_said(drift) for drift in one.drifts],
        "nearest": one.nearest,
    }
