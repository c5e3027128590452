"""``muses-runbook check``: the main job."""

from __future__ import annotations

import importlib
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from runbook import site_file
from runbook.cli import Exit, complain
from runbook.commands import catalogue
from runbook.commands.options import Duration, as_json, of_language, of_site, with_params
from runbook.errors import HistoryError, PlanError, ReportError, SettingsError
from runbook.model import Action, Reading, Record, Run, State, Step, worst_of
from runbook.rows import Row
from runbook.site import Site, open_site
from runbook.tongue import _, told

FORMATS = ("json", "html", "markdown", "junit")
#: What pytest brings for tests of programs and a run of rows has no use for. Two of them alone collect all garbage at
#: the end, several times over, which is a tenth of a second.
UNUSED = (
    "terminal",
    "cacheprovider",
    "unraisableexception",
    "threadexception",
    "logging",
    "faulthandler",
    "doctest",
    "unittest",
    "pastebin",
    "stepwise",
    "setuponly",
    "setupplan",
    "debugging",
)
EXITS = {
    State.OK: Exit.OK,
    State.SKIPPED: Exit.OK,
    State.WARNING: Exit.WARNING,
    State.CRITICAL: Exit.CRITICAL,
    State.UNKNOWN: Exit.UNKNOWN,
}


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
@of_site
@click.option(
    "--deadline", type=Duration(), metavar="TIME", help=_("End of the run, such as 15s (default: the site's)")
)
@click.option("--format", "formats", multiple=True, type=click.Choice(FORMATS), help=_("Report formats (default: all)"))
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help=_("Where reports go")
)
@click.option(
    "--replay",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=_("Judge a stored run's readings again, offline"),
)
@click.option("-k", "keyword", metavar="EXPRESSION", help=_("Only rows that match, as in pytest"))
@click.option(
    "-m", "marks", metavar="EXPRESSION", help=_("Only rows with these marks (a section's name), as in pytest")
)
@with_params
@of_language
@as_json
@click.option("-q", "--quiet", is_flag=True, help=_("Say nothing but errors"))
def check(
    rows: tuple[str, ...],
    fix: bool,
    plan_to: Path | None,
    settings: Path | None,
    env: str | None,
    deadline: timedelta | None,
    formats: tuple[str, ...],
    output: Path | None,
    replay: Path | None,
    keyword: str | None,
    marks: str | None,
    params: tuple[tuple[str, str], ...],
    lang: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """The main job, see the help."""
    if fix and replay:
        raise click.UsageError(_("--replay judges old readings: there is nothing to --fix"))
    if plan_to and (fix or replay):
        raise click.UsageError(_("--plan is made from live readings and changes nothing: without --fix and --replay"))
    reports = importlib.import_module("reports")
    record = _readings_of(replay) if replay else None
    site = open_site(
        site_file.load(settings), env, fixing=fix, deadline=deadline, record=record, language=lang, params=dict(params)
    )
    chosen = catalogue.chosen_rows(rows, site.settings)
    catalogue.prove_overrides(site.settings)
    catalogue.prove_params(dict(params), chosen)
    language = reports.speaking(site.environment)
    with reports.board(language, sys.stderr if as_json else sys.stdout, quiet=quiet or as_json) as board:
        watch = Watching(site, board, chosen)
        run = driven(watch, keyword, marks)
        if not fix and record is None:
            run = _with_plan(run, site, plan_to)
        folder = output or site.reports_folder / run.id
        files = written(reports, run, folder, formats or FORMATS, language)
        if as_json:
            sys.stdout.buffer.write(reports.render(run, "json", language))
        else:
            board.finished(run, files)
    unkept = record is None and could_not_keep(site, run, folder)
    unplanned = plan_to is not None and run.plan_file is None
    return exit_code(run, files is None or unkept or unplanned)


class Watching:
    """The watch of a command-line run: the rows asked for, the board, the person at the terminal."""

    def __init__(self, site: Site, board: Any, chosen: tuple[Row, ...]) -> None:
        self.site, self._board, self._chosen = site, board, chosen
        self._records: dict[str, Record] = {}
        self.outcome: Run | None = None

    def collected(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """Those that were named."""
        return tuple(row for row in rows if row in self._chosen)

    def started(self, rows: tuple[str, ...]) -> None:
        """Show the rows in progress."""
        self._board.started(rows)

    def judged(self, record: Record) -> None:
        """Show a row's verdict."""
        self._records[record.row] = record
        self._board.judged(record)

    def acting(self, step: Step) -> None:
        """Show what is being done."""
        self._board.acting(step)

    def acted(self, action: Action) -> None:
        """Show how it ended."""
        self._board.acted(action)

    def verifying(self, row: str) -> None:
        """Show that the fix is being proven."""
        self._board.verifying(row)

    def ask(self, row: str) -> bool | None:
        """Ask the person at the terminal; None where there is none."""
        answer: bool | None = self._board.ask(self._records[row])
        return answer

    def finished(self, run: Run) -> None:
        """Keep the outcome for the reports."""
        self.outcome = run


def driven(watch: Watching, keyword: str | None, marks: str | None) -> Run:
    """Let pytest collect and run the rows."""
    import pytest

    from runbook import plugin

    folder = catalogue.folder()
    arguments = [str(folder), f"--rootdir={folder.parent}", f"--confcutdir={folder.parent}", "-c", os.devnull]
    arguments += ["--import-mode=importlib", "--continue-on-collection-errors", "--disable-plugin-autoload"]
    arguments += ["-prunbook.plugin", "-prunbook.targets.fixtures", *(f"-pno:{name}" for name in UNUSED)]
    arguments += ["-k", keyword] if keyword else []
    arguments += ["-m", marks] if marks else []
    code = pytest.main(arguments, plugins=[plugin.Handover(watch)])
    if watch.outcome is None or not (watch.outcome.records or watch.outcome.interrupted):
        raise SettingsError(
            _("no row matches") if watch.outcome or code == pytest.ExitCode.NO_TESTS_COLLECTED else f"pytest: {code}"
        )
    return watch.outcome


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


def _readings_of(file: Path) -> tuple[Reading, ...]:
    canonical = importlib.import_module("reports.canonical")
    try:
        run: Run = canonical.load(file.read_bytes())
    except OSError as error:
        raise ReportError(f"{file}: {error.strerror}") from error
    return run.readings


def written(reports: Any, run: Run, folder: Path, formats: tuple[str, ...], language: Any) -> dict[str, Path] | None:
    """Write the reports; None where something could not be written (which is said, and hides no record)."""
    try:
        files: dict[str, Path] = reports.write(run, folder, formats, language)
    except ReportError as error:
        complain(told(error.said))
        return None
    return files


def could_not_keep(site: Site, run: Run, folder: Path) -> bool:
    """Keep the run in the history; whether that failed (which is said)."""
    try:
        site.history.keep(run, worst_of(run), folder)
    except HistoryError as error:
        complain(told(error.said))
        return True
    return False


def exit_code(run: Run, something_failed: bool) -> int:
    if run.interrupted:
        return Exit.INTERRUPTED
    code = EXITS[worst_of(run)]
    return Exit.NO_REPORT if code is Exit.OK and something_failed else code
