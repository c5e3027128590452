"""``muses-runbook monthly``: the report that the office hands in every month."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import click

from runbook import site_file
from runbook.commands import stored_runs
from runbook.commands.drafts import Draft, of_draft, show
from runbook.commands.options import of_site
from runbook.history import Judged
from runbook.incidents import Incident, incidents
from runbook.site import Site, open_site
from runbook.tongue import _

_Span = tuple[datetime, datetime]


class Month(click.ParamType[tuple[int, int]]):
    """``2026-11``."""

    name = "month"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Read it, or say how it is written."""
        if isinstance(value, tuple):
            return value
        written = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", str(value))
        if written is None:
            self.fail(_("{value!r} is not of the form 2026-11").format(value=value), param, ctx)
        return int(written[1]), int(written[2])


@click.command(
    help=_(
        "Write the monthly report of an environment from its history and stored runs: metrics with the service levels' "
        "error budget, thresholds contrasted, incidents, procedures applied, risks, next steps. A day without a run is "
        "a gap. Default: the last month that is over."
    ),
    epilog=_("Example: muses-runbook monthly 2026-11 --format docx"),
)
@click.argument("month", required=False, type=Month(), metavar="[YYYY-MM]")
@of_site
@of_draft(_("Where it goes (default: monthly beside the reports)"))
def monthly(
    month: tuple[int, int] | None,
    settings: Path | None,
    env: str | None,
    forms: tuple[str, ...],
    output: Path | None,
    replace: bool,
    lang: str | None,
    as_json: bool,
) -> None:
    """Read what is kept, ask no target, and write the report."""
    site = open_site(site_file.load(settings), env, language=lang)
    year, number = month or _last_month(site)
    room = importlib.import_module("reports.monthly")
    told = _told(site, _span(year, number, site.zone))
    if as_json:
        click.echo(room.facts(told), nl=False)
        return
    draft = Draft(room, told, f"{site.environment.name}-{year}-{number:02d}")
    folder = output or site.reports_folder.parent / "monthly"
    show(draft, site, folder, forms=forms, lang=lang, replace=replace)


def _last_month(site: Site) -> tuple[int, int]:
    last = site.today().replace(day=1) - timedelta(days=1)
    return last.year, last.month


def _span(year: int, month: int, zone: tzinfo) -> _Span:
    """A month's first moment and the next one's, in the site's zone."""
    following = (year + month // 12, month % 12 + 1)
    start, end = (datetime(*one, 1, tzinfo=zone) for one in ((year, month), following))
    return start.astimezone(UTC), end.astimezone(UTC)


def _told(site: Site, span: _Span) -> Any:
    """Everything that is kept of the month."""
    agreed, (start, end) = site.settings.service_levels, span
    levels = importlib.import_module("reports.levels")
    history, since = site.history, stored_runs.ago(start - agreed.stands_for)
    judged = tuple(one for one in history.verdicts(since) if one.at < end)
    everything = history.kept(since)
    cases = tuple(one for one in incidents(history, stored_runs.ago(start)) if one.began < end)
    runs, unread = stored_runs.read(everything, _wanted(site, judged, cases, span))
    return importlib.import_module("reports.monthly.month").Month(
        environment=site.environment,
        start=start,
        end=end,
        made_at=datetime.now(UTC),
        judged=judged,
        kept=tuple(run for run in everything if start <= run.started_at < end),
        measures=tuple(one for one in history.measures(stored_runs.ago(start)) if one.at < end),
        incidents=cases,
        runs=runs,
        unread=unread,
        levels=levels.levels(agreed.availability, agreed.others, agreed.available_rows, site.settings.limits),
        stands_for=agreed.stands_for,
    )


def _wanted(site: Site, judged: tuple[Judged, ...], cases: Iterable[Incident], span: _Span) -> list[str]:
    """The runs whose reports tell something that the history does not, the newest of each row last."""
    inside = [one for one in judged if span[0] <= one.at < span[1]]
    procedures = importlib.import_module("reports.monthly.month").PROCEDURES
    wanted = {id for one in cases for id in (one.runs[:1] + one.runs[-1:])}
    wanted |= {one.run for one in inside if one.state is not one.final or one.row in procedures}
    ids = {one.run for one in inside}
    wanted |= stored_runs.acting(site, {one.row for one in inside}, stored_runs.ago(span[0])) & ids
    newest = _newest(inside)
    return [*sorted(wanted - set(newest) - {""}), *newest]


def _newest(judged: list[Judged]) -> list[str]:
    """The fewest newest runs that say something of every row."""
    by_run: dict[str, set[str]] = {}
    for one in judged:
        by_run.setdefault(one.run, set()).add(one.row)
    covered: set[str] = set()
    chosen = []
    for run, rows in reversed(by_run.items()):
        if run and not rows <= covered:
            chosen.append(run)
            covered |= rows
    return chosen
