"""``muses-runbook postmortem``: the draft of a post-mortem, from the runs of an incident."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from runbook import site_file
from runbook.commands import stored_runs
from runbook.commands.drafts import Draft, of_draft, show
from runbook.commands.options import of_site
from runbook.commands.report import folder_of
from runbook.decoding import nearest_to
from runbook.errors import ReportError, SettingsError
from runbook.history import KEPT, Judged, Kept
from runbook.incidents import Incident, incidents
from runbook.model import BREACHED, Run, State, final, is_waived, worst
from runbook.site import Site, open_site
from runbook.text import text
from runbook.tongue import _

#: How far before an incident the judgements are looked at: to know when its rows were last in order.
_BEFORE = timedelta(days=2)


@click.command(
    help=_(
        "Draft a post-mortem from an incident or from runs: impact, causes, trigger, detection, timeline, what was "
        "done, what is open. Facts only; what people must complete is marked. INCIDENT is an id such as "
        "prod-20261125T031200Z (default: the one that lasts, else the last one), RUN an id, a folder, or 'last'."
    ),
    epilog=_("Example: muses-runbook postmortem prod-20261125T031200Z --format docx"),
)
@click.argument("named", nargs=-1, metavar="[RUN...|INCIDENT]")
@of_site
@of_draft(_("Where it goes (default: postmortems beside the reports)"))
def postmortem(
    named: tuple[str, ...],
    settings: Path | None,
    env: str | None,
    forms: tuple[str, ...],
    output: Path | None,
    replace: bool,
    lang: str | None,
    as_json: bool,
) -> None:
    """Read what is kept, ask no target, and write the draft."""
    site = open_site(site_file.load(settings), env, language=lang)
    case = _case(site, named, settings, env)
    room = importlib.import_module("reports.postmortem")
    if as_json:
        click.echo(room.facts(case), nl=False)
        return
    folder = output or site.reports_folder.parent / "postmortems"
    show(Draft(room, case, f"postmortem-{case.id}"), site, folder, forms=forms, lang=lang, replace=replace)


def _case(site: Site, named: Sequence[str], settings: Path | None, env: str | None) -> Any:
    known = incidents(site.history, KEPT)
    if not named:
        if not known:
            raise SettingsError(_("there is no incident in the history: name a run"))
        return _of_incident(site, known[-1])
    found = next((one for one in known if one.id == named[0]), None)
    if found is not None and len(named) == 1:
        return _of_incident(site, found)
    return _of_runs(site, [_run(name, settings, env, known) for name in named])


def _run(name: str, settings: Path | None, env: str | None, known: Sequence[Incident]) -> Run:
    try:
        folder = Path(name) if Path(name).is_dir() else folder_of(name, settings, env)
    except SettingsError as error:
        words = _("there is no incident and no run {name!r} in the history").format(name=name)
        raise SettingsError(words, nearest=nearest_to(name, [one.id for one in known]) or error.nearest) from None
    run: Run = importlib.import_module("reports").read(folder)
    return run


def _of_incident(site: Site, incident: Incident) -> Any:
    since = stored_runs.ago(incident.began - _BEFORE)
    judged, kept, its_own = site.history.verdicts(since), site.history.kept(since), set(incident.runs)
    changing = stored_runs.changing((one for one in judged if one.run in its_own), incident.rows)
    wanted = changing | stored_runs.acting(site, incident.rows, since) | {*incident.runs[-1:]}
    runs, _unread = stored_runs.read(kept, [id for id in incident.runs if id in wanted])
    return _built(site, incident, runs, judged, kept)


def _of_runs(site: Site, runs: Sequence[Run]) -> Any:
    """The same from runs that a person chose: what they found broken at first, also where they mended it at once."""
    runs = tuple(sorted({run.id: run for run in runs}.values(), key=lambda run: run.started_at))
    broken = [one for run in runs for one in run.records if one.verdict.state in BREACHED and not is_waived(one)]
    if not broken:
        raise ReportError(text("Nothing was breached in these runs: there is nothing to draft a post-mortem of"))
    rows = tuple(dict.fromkeys(one.row for one in broken))
    incident = Incident(
        id=runs[0].id,
        environment=runs[0].environment.name,
        began=min([runs[0].started_at, *(one.breached_since for one in broken if one.breached_since)]),
        ended=_end(runs, rows),
        rows=rows,
        worst=worst([one.verdict.state for one in broken]),
        runs=tuple(run.id for run in runs),
    )
    if incident.environment != site.environment.name:
        return _built(site, incident, runs, (), ())  # this history is not theirs
    since = stored_runs.ago(incident.began - _BEFORE)
    return _built(site, incident, runs, site.history.verdicts(since), site.history.kept(since))


def _end(runs: Sequence[Run], rows: Sequence[str]) -> datetime | None:
    """The end of the last run, where none of the rows was left broken or unknown."""
    stands = {record.row: final(record).state for run in runs for record in run.records}
    return runs[-1].ended_at if all(stands[row] is State.OK for row in rows) else None


def _built(
    site: Site, incident: Incident, runs: tuple[Run, ...], judged: tuple[Judged, ...], kept: tuple[Kept, ...]
) -> Any:
    agreed, read = site.settings.service_levels, {run.id for run in runs}
    levels = importlib.import_module("reports.levels")
    return importlib.import_module("reports.postmortem.case").Case(
        id=incident.id,
        environment=runs[-1].environment if runs else site.environment,
        began=incident.began,
        ended=incident.ended,
        rows=incident.rows,
        worst=incident.worst,
        runs=runs,
        unread=tuple(id for id in incident.runs if id not in read),
        judged=judged,
        run_ends={run.id: run.ended_at for run in kept},
        levels=levels.levels(agreed.availability, agreed.others, agreed.available_rows, site.settings.limits),
        stands_for=agreed.stands_for,
        made_at=datetime.now(UTC),
    )
