"""``muses-runbook list`` and ``show``: the runbook as its rows declare it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook.commands import catalogue
from runbook.commands.options import as_json, of_language, of_site
from runbook.limits import Amount
from runbook.rows import Row, find
from runbook.scripts.script_rows import script_of
from runbook.tongue import _, told

if TYPE_CHECKING:
    from runbook.targets.scripts.script import Script


@click.command(name="list", help=_("List the rows of the runbook"), epilog=_("Example: muses-runbook list --json"))
@of_site
@of_language
@as_json
def list_command(settings: Path | None, env: str | None, lang: str | None, as_json: bool) -> None:
    """One line a row."""
    rows = catalogue.rows_of_site(settings, env)
    if as_json:
        click.echo(json.dumps([_plain(row) for row in rows], ensure_ascii=False, indent=2))
        return
    width = max((len(row.id) for row in rows), default=0)
    for row in sorted(rows, key=lambda row: row.id):
        click.echo(f"{row.id:<{width}}  {told(row.title)}")


@click.command(
    name="show",
    help=_(
        "Show one row (limits, causes, remedy, rights), or a plan file: its steps, its approvals, what to type next"
    ),
    epilog=_("Example: muses-runbook show QUEUE-01\n\n         muses-runbook show plan.json"),
)
@click.argument("row", metavar="ROW|FILE")
@of_site
@of_language
@as_json
def show_command(row: str, settings: Path | None, env: str | None, lang: str | None, as_json: bool) -> None:
    """Everything the row declares, or the plan."""
    if row.endswith(".json"):
        _show_plan(Path(row), settings, env, lang, as_json)
        return
    catalogue.rows_of_site(settings, env)
    found = find(row)
    if as_json:
        click.echo(json.dumps(_plain(found), ensure_ascii=False, indent=2))
        return
    for line in _pages(found):
        click.echo(line)


def _show_plan(file: Path, settings: Path | None, env: str | None, lang: str | None, as_json: bool) -> None:
    from runbook import site_file
    from runbook.commands import plan_pages
    from runbook.plans import plan_file
    from runbook.site import open_site

    plan, now = plan_file.load(file), datetime.now(UTC)
    site = open_site(site_file.load(settings), env or plan.plan.environment, language=lang)
    click.echo(plan_pages.as_json(plan, site, now) if as_json else "\n".join(plan_pages.page(plan, file, site, now)))


def _pages(row: Row) -> Iterator[str]:
    yield f"{row.id}  {told(row.title)}"
    if row.why:
        yield f"  {told(row.why)}"
    yield f"  {_('Source')}: {row.source}"
    for name, value in _numbers(row).items():
        yield f"  {name}: {value}"
    for cause in row.causes:
        yield f"  {_('Cause')}: {told(cause.words)}"
    if row.treatment:
        yield f"  {_('Remedy')}: {row.treatment.name} ({_('risk')} {row.treatment.risk.value})"
    if row.person:
        yield f"  {_('A person decides')}: {told(row.person)}"
    yield f"  {_('Targets')}: {', '.join(row.all_targets())}"
    script = script_of(row)
    if script is not None:
        yield from _of_script(script)


def _of_script(script: Script) -> Iterator[str]:
    """What of a script is run, and what is given to it."""
    if names := sorted(script.variables()):
        yield f"  {_('Parameters')}: {', '.join(names)}"
    run = [step for step in script.steps if step.kind in ("rows", "block")]
    yield f"  {_('Statements that find something, at line')}: {', '.join(str(step.part.line) for step in run) or '—'}"
    for refusal in script.refusals:
        yield f"  {_('Not run')}: {told(refusal)}"


def _numbers(row: Row) -> dict[str, str]:
    limit = row.threshold
    limits = {_("warning"): limit.warning, _("critical"): limit.critical} if limit else {}
    unit = limit.unit if limit else ""
    shown = {name: _amount(value, unit) for name, value in limits.items() if value is not None}
    return shown | {name: _amount(value, "") for name, value in row.settings.items()}


def _amount(value: Amount | str, unit: str) -> str:
    if isinstance(value, timedelta):
        return (
            f"{value.total_seconds() / 60:g} min" if value >= timedelta(minutes=1) else f"{value.total_seconds():g} s"
        )
    return f"{value} {unit}".strip()


def _plain(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "title": told(row.title),
        "why": told(row.why) if row.why else None,
        "source": row.source,
        "section": row.section,
        "numbers": _numbers(row),
        "causes": {cause.name: told(cause.words) for cause in row.causes},
        "remedy": row.treatment.name if row.treatment else None,
        "risk": row.treatment.risk.value if row.treatment else None,
        "targets": list(row.all_targets()),
    }
