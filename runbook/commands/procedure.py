"""What the commands of all procedures share: their options, and their way from a look to a report."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from runbook import site_file
from runbook.acting.copies import open_journal
from runbook.acting.locks import acting_alone
from runbook.cli import Exit, complain
from runbook.commands.check import EXITS
from runbook.commands.options import FORMATS, as_json, of_formats, of_language, of_site
from runbook.errors import HistoryError, LockError, ReportError, RunbookError
from runbook.model import Run, worst_of
from runbook.run_id import new_run_id
from runbook.site import Site, open_site
from runbook.tongue import _, told

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Asked:
    """What every procedure is asked with."""

    execute: bool
    settings: Path | None
    env: str | None
    formats: tuple[str, ...]
    output: Path | None
    lang: str | None
    as_json: bool
    quiet: bool


def of_procedure(command: F) -> F:
    """The options of :class:`Asked`, which reach the command as keywords of these names."""
    folder = click.Path(file_okay=False, path_type=Path)
    command = click.option("-q", "--quiet", is_flag=True, help=_("Say nothing but errors"))(command)
    command = of_language(as_json(command))
    command = click.option("--output", type=folder, metavar="FOLDER", help=_("Where reports go"))(command)
    command = of_site(of_formats(command))
    return click.option("--execute", is_flag=True, help=_("Do it; without this nothing is changed"))(command)


def carry_out(asked: Asked, make_course: Callable[[Site, str], Any]) -> int:
    """Look, or do it; write the report however it ends, and give the exit code."""
    reports = importlib.import_module("reports")
    site = open_site(site_file.load(asked.settings), asked.env, fixing=asked.execute, language=asked.lang)
    language = reports.speaking(site.environment)
    course = make_course(site, new_run_id())
    stream = sys.stderr if asked.as_json else sys.stdout
    with reports.procedure_board(language, stream, quiet=asked.quiet or asked.as_json) as board:
        interrupted = _interrupted(course, board, execute=asked.execute)
        run = course.run(execute=asked.execute, interrupted=interrupted)
        files = _kept(reports, site, run, asked, language)
        if asked.as_json:
            sys.stdout.buffer.write(reports.render(run, "json", language))
        else:
            board.finished(run, files)
    return _exit_code(course, run)


def _interrupted(course: Any, board: Any, *, execute: bool) -> bool:
    """Let the procedure take its course; whether Ctrl-C ended it. What ended it otherwise is the course's failure."""
    board.looking()
    try:
        if execute:
            _act(course, board)
        else:
            course.look()
    except LockError:
        raise
    except RunbookError as error:
        course.failure = error
    except KeyboardInterrupt:
        return True
    return False


def _act(course: Any, board: Any) -> None:
    """Do it: alone, also among other machines, and in the journal, unless it changes nothing that others might."""
    if not course.alone:
        course.act(board)
        return
    site = course.site
    with acting_alone(site.settings, site.environment.name, site.state_folder, course.id), _journalled(course):
        course.act(board)


@contextmanager
def _journalled(course: Any) -> Iterator[None]:
    """The intent on disk before anything is done, the result after it, however it ends."""
    site, name = course.site, course.site.environment.name
    journal = open_journal(site.settings, name, site.state_folder)
    body = {"operation": course.row.lower(), "environment": name}
    intent = journal.write("intent", run=course.id, row=course.row, body=body)
    outcome = "failed"
    try:
        yield
        outcome = "done"
    finally:
        body = {"intent": intent.number, "outcome": outcome, **course.outcome()}
        journal.write("result", run=course.id, row=course.row, body=body)


def _kept(reports: Any, site: Site, run: Run, asked: Asked, language: Any) -> dict[str, Path] | None:
    """The report's files and the run in the history; what of it failed is said, and hides nothing."""
    folder = asked.output or site.reports_folder / run.id
    files: dict[str, Path] | None = None
    try:
        files = reports.write(run, folder, asked.formats or FORMATS, language, template=site.docx_template)
        site.history.keep(run, worst_of(run), folder)
    except (ReportError, HistoryError) as error:
        complain(told(error.said))
    return files


def _exit_code(course: Any, run: Run) -> int:
    """That of the run's state; a procedure that began and failed is CRITICAL whatever its record says."""
    if run.interrupted:
        return Exit.INTERRUPTED
    if course.failure is not None:
        complain(told(course.failure.said))
        return Exit.WARNING if getattr(course.failure, "refused", False) else Exit.CRITICAL
    return EXITS[worst_of(run)]
