"""``muses-runbook tune``: what other thresholds would have done. It suggests, and writes nothing."""

from __future__ import annotations

import importlib
import json
from datetime import timedelta
from pathlib import Path

import click

from runbook import rows, site_file
from runbook.commands import catalogue, measured
from runbook.commands import tune_pages as pages
from runbook.commands.options import Duration, as_json, of_language, of_site
from runbook.errors import SettingsError
from runbook.limits import Threshold, configured
from runbook.rows import Row
from runbook.settings import EnvironmentSettings
from runbook.site import open_site
from runbook.text import text
from runbook.tongue import _
from runbook.tuning.comparing import compared
from runbook.tuning.stretches import of_a_row
from runbook.tuning.suggesting import suggested


@click.command(
    help=_(
        "Tell what other thresholds of a row would have done: how much earlier they would have fired in each incident, "
        "and how often for nothing. The measures are those of the history, of a stored run, or of a record of "
        "check --watch. Suggests a warning limit with its reasons, and writes nothing."
    ),
    epilog=_("Example: muses-runbook tune --row ETL-01 --warning '10 min' --from history --since '90 d'"),
)
@click.option("--row", "name", required=True, metavar="ROW", help=_("The row"))
@click.option(
    "--from",
    "source",
    default=measured.HISTORY,
    show_default=True,
    metavar="RUN|FILE|history",
    help=_("Where the measures are from"),
)
@click.option("--warning", metavar="LIMIT", help=_("The warning limit to try, such as '10 min'"))
@click.option("--critical", metavar="LIMIT", help=_("The critical limit to try"))
@click.option(
    "--since", type=Duration(), default="90d", show_default=True, metavar="TIME", help=_("How far back in the history")
)
@click.option("--object", "objects", multiple=True, metavar="NAME", help=_("Only this object; may be repeated"))
@of_site
@of_language
@as_json
def tune(
    name: str,
    source: str,
    warning: str | None,
    critical: str | None,
    since: timedelta,
    objects: tuple[str, ...],
    settings: Path | None,
    env: str | None,
    lang: str | None,
    as_json: bool,
) -> int:
    """Exits with 0, or with 3 where nothing was measured."""
    site = open_site(site_file.load(settings), env, language=lang)
    catalogue.load_rows(site.settings)
    row = rows.find(name)
    now = _in_force(row, site.settings)
    tried = _tried(row, now, {"warning": warning, "critical": critical})
    if source == measured.HISTORY:
        found = measured.of_history(row, now, settings, env, since)
    else:
        found = measured.of_record(source, row, now, settings, env)
    chosen = {name: points for name, points in found.objects.items() if not objects or name in objects}
    points = of_a_row(chosen, now.direction)
    best = suggested(points, now)
    proposed = tried or pages.with_warning(now, best.warning)
    levels = compared(points, now, proposed) if proposed else ()
    page = pages.Page(row, site.environment.name, now, points, tuple(chosen), found.left_out, levels, best)
    if as_json:
        click.echo(json.dumps(pages.plain(page), ensure_ascii=False, indent=2))
    else:
        language = importlib.import_module("reports").speaking(site.environment)
        click.echo("\n".join(pages.shown(page, language, tried=tried is not None)))
    return 0 if points else 3


def _in_force(row: Row, settings: EnvironmentSettings) -> Threshold:
    """The row's limits in this environment. Raises SettingsError where it has none."""
    threshold, _numbers = configured(row.threshold, row.settings, settings.limits.get(row.id, {}))
    if threshold is None or (threshold.warning is None and threshold.critical is None):
        raise SettingsError(text("{row} has no limit that could be tuned: no number decides it", row=row.id))
    return threshold


def _tried(row: Row, now: Threshold, given: dict[str, str | None]) -> Threshold | None:
    """The threshold with the limits that were named; None where none was. Raises SettingsError for a bad one."""
    named = {limit: value for limit, value in given.items() if value is not None}
    return configured(now, {}, named)[0] if named else None
