"""``muses-runbook lint``: the site file, its packs, scripts and waivers proven without asking any target."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from runbook import linting, site_file
from runbook.cli import Exit
from runbook.commands import catalogue
from runbook.commands.options import as_json, of_language, of_site, with_params
from runbook.linting import Remark
from runbook.site import open_site
from runbook.tongue import _, told


@click.command(
    help=_(
        "Prove the site file without asking any target: thresholds that can never fire or do not fit, rows there are "
        "not, waivers, packs, SQL scripts that are not run. Exits with 0 for nothing, 1 for remarks, 2 for what would "
        "refuse a run or cannot be read."
    ),
    epilog=_("Example: muses-runbook lint --env prod"),
)
@of_site
@with_params
@of_language
@as_json
def lint(
    settings: Path | None, env: str | None, params: tuple[tuple[str, str], ...], lang: str | None, as_json: bool
) -> int:
    """One line a remark."""
    site = open_site(site_file.load(settings), env, language=lang, params=dict(params))
    rows, lost = catalogue.load_rows(site.settings), catalogue.lost_files(site.settings)
    found = sorted(
        linting.remarks(rows, site.settings, today=site.today(), lost=bool(lost)), key=lambda one: not one.refuses
    )
    click.echo(_as_json(found, lost) if as_json else _page(found, lost, len(rows)))
    if lost or any(remark.refuses for remark in found):
        return Exit.CRITICAL
    return Exit.WARNING if found else Exit.OK


def _page(found: list[Remark], lost: Mapping[str, str], rows: int) -> str:
    lines = [f"✗ {file}: {reason}" for file, reason in lost.items()]
    lines += [f"{'✗' if one.refuses else '▲'} {one.key}: {told(one.said)}{_hint(one)}" for one in found]
    return "\n".join(lines) or "✓ " + _("{count} rows, and nothing to say of them").format(count=rows)


def _hint(remark: Remark) -> str:
    return " — " + _("did you mean {name!r}?").format(name=remark.nearest) if remark.nearest else ""


def _as_json(found: list[Remark], lost: Mapping[str, str]) -> str:
    remarks = [
        {"key": one.key, "said": told(one.said), "refuses": one.refuses, "nearest": one.nearest} for one in found
    ]
    remarks += [{"key": file, "said": reason, "refuses": True, "nearest": None} for file, reason in lost.items()]
    return json.dumps(remarks, ensure_ascii=False, indent=2)
