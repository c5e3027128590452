"""``muses-runbook check``: the main job."""

from __future__ import annotations

import importlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from runbook import site_file
from runbook.cli import complain
from runbook.commands import catalogue, recorded
from runbook.commands.driving import EXITS, Watching, could_not_keep, driven, exit_code, written
from runbook.commands.many import of_sites
from runbook.commands.monitoring import could_not_tell, with_line
from runbook.commands.options import FORMATS, Duration, as_json, of_formats, of_language, with_params
from runbook.commands.recorded import Replayed
from runbook.commands.telling import Telling
from runbook.commands.watching import Lookout
from runbook.errors import PlanError
from runbook.model import Run
from runbook.recording.looks import Recording
from runbook.rows import Row
from runbook.site import Site, open_site
from runbook.tongue import _, told

__all__ = ("EXITS", "FORMATS", "Watching", "check", "could_not_keep", "driven", "exit_code", "written")


@click.command(
    epilog=_("Example: muses-runbook check QUEUE-01 ETL-01 --fix"),
    help=_(
        "Judge the rows on the live systems (all, or those named), say which causes the evidence supports and what the "
        "remedy would do. With --fix, apply remedies where policy lets them and prove that they worked. With --plan, "
        "change nothing and write down what would be done, to be approved and applied. "
        "Exits with 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."
    ),
)
@click.argument("rows", nargs=-1, metavar="[ROW]...")
@click.option("--fix", is_flag=True, help=_("Apply remedies where policy lets them"))
@click.option(
    "--plan",
    "plan_to",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=_("Write the plan of what would be done here"),
)
@of_sites
@click.option(
    "--deadline", type=Duration(), metavar="TIME", help=_("End of the run, such as 15s (default: the site's)")
)
@of_formats
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help=_("Where reports go")
)
@click.option("--watch", "watches", is_flag=True, help=_("Look again and again, live, until q or Ctrl-C"))
@click.option(
    "--every", type=Duration(), default="5s", show_default=True, metavar="TIME", help=_("How often --watch looks")
)
@click.option(
    "--record",
    "record_to",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=_("Put the readings on record here (compressed: FILE.zst)"),
)
@click.option(
    "--replay",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=_("Judge the readings of a record or a stored run again, offline"),
)
@click.option("-k", "keyword", metavar="EXPRESSION", help=_("Only rows that match, as in pytest"))
@click.option(
    "-m", "marks", metavar="EXPRESSION", help=_("Only rows with these marks (a section's name), as in pytest")
)
@with_params
@of_language
@as_json
@click.option("-q", "--quiet", is_flag=True, help=_("Say nothing but errors"))
@with_line
def check(
    rows: tuple[str, ...],
    fix: bool,
    plan_to: Path | None,
    settings: Path | None,
    env: str | None,
    deadline: timedelta | None,
    formats: tuple[str, ...],
    output: Path | None,
    watches: bool,
    every: timedelta,
    record_to: Path | None,
    replay: Path | None,
    keyword: str | None,
    marks: str | None,
    params: tuple[tuple[str, str], ...],
    lang: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """The main job, see the help."""
    _prove_together(fix=fix, plan=plan_to, watch=watches, record=record_to, replay=replay)
    record = recorded.load(replay) if replay else None
    readings = () if record else None
    site = open_site(
        site_file.load(settings),
        env,
        fixing=fix,
        deadline=deadline,
        record=readings,
        language=lang,
        params=dict(params),
    )
    chosen = catalogue.chosen_rows(rows, site.settings)
    catalogue.prove_overrides(site.settings)
    catalogue.prove_params(dict(params), chosen)
    telling = Telling(site, formats or FORMATS, output, as_json=as_json, quiet=quiet)
    with telling.board(watch=watches) as board:
        watch = _watch(site, board, chosen, record, every if watches else None, telling)
        with watch.on_record(record_to):
            run = driven(watch, keyword, marks)
        if not fix and record is None:
            run = _with_plan(run, site, plan_to)
        files = telling.finished(board, run)
    unkept = record is None and could_not_keep(site, run, telling.kept_in(run))
    whole = not (rows or keyword or marks)
    untold = record is None and could_not_tell(site, run, telling.language, whole=whole)
    if record is None and site.settings.notifications is not None:
        importlib.import_module("runbook.commands.notify").after_run(site)
    unplanned = plan_to is not None and run.plan_file is None
    return exit_code(run, files is None or unkept or untold or unplanned or watch.failed)


def _prove_together(*, fix: bool, plan: Path | None, watch: bool, record: Path | None, replay: Path | None) -> None:
    """Refuse options that cannot both be meant."""
    if fix and replay:
        raise click.UsageError(_("--replay judges old readings: there is nothing to --fix"))
    if plan and (fix or replay):
        raise click.UsageError(_("--plan is made from live readings and changes nothing: without --fix and --replay"))
    if watch and (fix or plan or replay):
        raise click.UsageError(_("--watch only looks: without --fix, --plan and --replay"))
    if record and replay:
        raise click.UsageError(_("--record keeps live readings: a record that is replayed is one already"))


def _watch(
    site: Site, board: Any, chosen: tuple[Row, ...], record: Recording | None, every: timedelta | None, telling: Telling
) -> Watching:
    """Who watches the run: one look, many, or those on record."""
    if record is not None:
        return Replayed(site, board, chosen, record)
    if every is not None:
        return Lookout(site, board, chosen, every=every, write=telling.write)
    return Watching(site, board, chosen)


def _with_plan(run: Run, site: Site, file: Path | None) -> Run:
    """Write the run's plan down: where it was asked for, or in the state folder where the site approves plans."""
    has_steps = any(record.plan and record.plan.steps for record in run.records)
    if file is None and not (has_steps and site.settings.policy.approval.method):
        return run
    try:
        with_plan: Run = importlib.import_module("runbook.plans.notice").planned(run, site, file)
        return with_plan
    except PlanError as error:
        complain(told(error.said))
        return run
