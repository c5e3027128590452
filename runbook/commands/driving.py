"""A run from the command line: pytest collects and judges the rows, and its outcome is written and kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runbook.cli import Exit, complain
from runbook.commands import catalogue
from runbook.errors import HistoryError, ReportError, SettingsError
from runbook.model import Action, Record, Run, State, Step, worst_of
from runbook.recording import files
from runbook.rows import Row
from runbook.site import Site
from runbook.tongue import _, told

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


class Watching:
    """The watch of a command-line run: the rows asked for, the board, the person at the terminal."""

    def __init__(self, site: Site, board: Any, chosen: tuple[Row, ...]) -> None:
        self.site, self._board, self._chosen = site, board, chosen
        self._records: dict[str, Record] = {}
        self.outcome: Run | None = None
        self.failed = False

    @contextmanager
    def on_record(self, file: Path | None) -> Iterator[None]:
        """Put what is read on record there; a record that cannot be written is said, and hides no run."""
        yield
        try:
            if file is not None and self.outcome is not None:
                files.write(self.outcome, file)
        except ReportError as error:
            complain(told(error.said))
            self.failed = True

    def collected(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """Those that were named."""
        chosen = {row.id for row in self._chosen}  # of thousands of rows, each is not compared with each
        return tuple(row for row in rows if row.id in chosen)

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

    def again(self) -> Site | None:
        """One look."""
        return None


def driven(watch: Watching, keyword: str | None, marks: str | None) -> Run:
    """Let pytest collect and run the rows."""
    import pytest

    from runbook import plugin

    folder = catalogue.folder()
    arguments = [str(folder), f"--rootdir={folder.parent}", f"--confcutdir={folder.parent}", "-c", os.devnull]
    arguments += ["--import-mode=importlib", "--continue-on-collection-errors", "--disable-plugin-autoload"]
    arguments += ["-prunbook.plugin", "-prunbook.targets.fixtures", *(f"-pno:{name}" for name in UNUSED)]
    # What rows print is held back, but standard input stays what it is: somebody may be there to answer.
    arguments += ["--capture=sys"]
    arguments += ["-k", keyword] if keyword else []
    arguments += ["-m", marks] if marks else []
    code = pytest.main(arguments, plugins=[plugin.Handover(watch)])
    if watch.outcome is None or not (watch.outcome.records or watch.outcome.interrupted):
        raise SettingsError(
            _("no row matches") if watch.outcome or code == pytest.ExitCode.NO_TESTS_COLLECTED else f"pytest: {code}"
        )
    return watch.outcome


def written(
    reports: Any, run: Run, folder: Path, formats: tuple[str, ...], language: Any, template: Path | None = None
) -> dict[str, Path] | None:
    """Write the reports; None where something could not be written (which is said, and hides no record).

    ``template`` is the site's Word template, for documents.
    """
    try:
        files: dict[str, Path] = reports.write(run, folder, formats, language, template=template)
    except ReportError as error:
        complain(told(error.said))
        return None
    return files


def could_not_keep(site: Site, run: Run, folder: Path | None) -> bool:
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
