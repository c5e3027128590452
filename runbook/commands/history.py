"""``muses-runbook history``: earlier runs."""

from __future__ import annotations

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from runbook import site_file
from runbook.commands.options import as_json, of_site
from runbook.site import open_site
from runbook.tongue import _


@click.command(help=_("List earlier runs"), epilog=_("Example: muses-runbook history --limit 5"))
@of_site
@click.option("--limit", default=20, show_default=True, help=_("How many, newest first"))
@as_json
def history(settings: Path | None, env: str | None, limit: int, as_json: bool) -> None:
    """One line a run, newest first."""
    site = open_site(site_file.load(settings), env)
    runs = site.history.runs(limit)
    if as_json:
        fields = ("id", "started_at", "worst", "folder")
        click.echo(json.dumps([dict(zip(fields, run, strict=True)) for run in runs], default=str, indent=2))
        return
    zone = ZoneInfo(site.environment.timezone)
    for id, started_at, state, folder in runs:
        click.echo(f"{id}  {started_at.astimezone(zone):%Y-%m-%d %H:%M:%S %z}  {state:<8}  {folder}")
