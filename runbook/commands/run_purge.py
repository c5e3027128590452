"""``muses-runbook run purge``: the purge of the exchange tables, dry unless told to execute."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from runbook import site_file
from runbook.cli import Exit, complain
from runbook.commands.check import EXITS, FORMATS
from runbook.commands.options import as_json, of_language, of_site
from runbook.errors import HistoryError, JournalError, LockError, ReportError, RunbookError
from runbook.journal import Journal
from runbook.locks import acting_on
from runbook.model import Run, worst_of
from runbook.site import Site, open_site
from runbook.tongue import _, told


@click.command(
    help=_(
        "Archive the exchange records that are past their retention, read the archive back, and delete exactly what "
        "came back (Guía de Operaciones §4.1). Without --execute it only says what it would do. A purge that was "
        "stopped goes on when the command is given again. Exits with 0 done, 1 something forbids it or stays, 2 failed."
    ),
    epilog=_(
        "Example: muses-runbook run purge            (look)\n\n         muses-runbook run purge --execute  (do it)"
    ),
)
@click.option("--execute", is_flag=True, help=_("Do it; without this nothing is changed"))
@click.option(
    "--confirm-large", is_flag=True, help=_("Let it take more than purge.max_percent and purge.max_growth allow")
)
@of_site
@click.option("--format", "formats", multiple=True, type=click.Choice(FORMATS), help=_("Report formats (default: all)"))
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help=_("Where reports go")
)
@of_language
@as_json
@click.option("-q", "--quiet", is_flag=True, help=_("Say nothing but errors"))
def purge(
    execute: bool,
    confirm_large: bool,
    settings: Path | None,
    env: str | None,
    formats: tuple[str, ...],
    output: Path | None,
    lang: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """The procedure, see the help."""
    running, recording = (importlib.import_module(f"procedures.purge.{name}") for name in ("running", "recording"))
    reports = importlib.import_module("reports")
    site = open_site(site_file.load(settings), env, fixing=execute, language=lang)
    language = reports.speaking(site.environment)
    course = recording.Course(site, running.new_run_id())
    interrupted = False
    with reports.procedure_board(language, sys.stderr if as_json else sys.stdout, quiet=quiet or as_json) as board:
        try:
            _take_its_course(course, running, site, board, execute=execute, confirmed=confirm_large)
        except LockError:
            raise
        except RunbookError as error:
            course.failure = error
        except KeyboardInterrupt:
            interrupted = True
        run = course.run(execute=execute, interrupted=interrupted)
        files = _kept(reports, site, run, output or site.reports_folder / run.id, formats or FORMATS, language)
        if as_json:
            sys.stdout.buffer.write(reports.render(run, "json", language))
        else:
            board.finished(run, files)
    return _exit_code(course, run)


def _take_its_course(course: Any, running: Any, site: Site, board: Any, *, execute: bool, confirmed: bool) -> None:
    """Look; or do it, under the lock and in the journal, and look what is left."""
    board.looking()
    if not execute:
        course.before = running.look(site)
        return
    with acting_on(site.environment.name, site.state_folder), _journalled(site, course):
        course.purged = running.purge(site, confirmed=confirmed, watch=course.watching(board))
    board.looking()
    course.after = running.look(site)


@contextmanager
def _journalled(site: Site, course: Any) -> Iterator[None]:
    """The intent on disk before anything is done, the result after it, however it ends."""
    journal = Journal(site.state_folder / "journal.jsonl")
    intent = journal.write("intent", run=course.id, row=course.row, body={"operation": "purge"})
    outcome = "failed"
    try:
        yield
        outcome = "done"
    finally:
        deleted = {table.name: table.deleted for table in course.purged.tables} if course.purged else {}
        body = {"intent": intent.number, "outcome": outcome, "deleted": deleted}
        journal.write("result", run=course.id, row=course.row, body=body)


def _kept(
    reports: Any, site: Site, run: Run, folder: Path, formats: tuple[str, ...], language: Any
) -> dict[str, Path] | None:
    """The report's files and the run in the history; what of it failed is said, and hides nothing."""
    files: dict[str, Path] | None = None
    try:
        files = reports.write(run, folder, formats, language)
        site.history.keep(run, worst_of(run), folder)
    except (ReportError, HistoryError, JournalError) as error:
        complain(told(error.said))
    return files


def _exit_code(course: Any, run: Run) -> int:
    if run.interrupted:
        return Exit.INTERRUPTED
    if course.failure is not None:
        complain(told(course.failure.said))
        return Exit.WARNING if getattr(course.failure, "objections", None) else Exit.CRITICAL
    return EXITS[worst_of(run)]
