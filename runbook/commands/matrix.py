"""What several environments came to, side by side: written, shown, and the exit code of it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from runbook.cli import Exit, complain
from runbook.commands.check_many import Asked, Interrupted, Outcome, judge_places
from runbook.commands.driving import EXITS
from runbook.commands.places import Place, places
from runbook.errors import ReportError
from runbook.model import State
from runbook.run_id import new_run_id
from runbook.text import text
from runbook.tongue import asked_for, spoken, told


def check_many(
    files: tuple[Path, ...],
    names: tuple[str, ...],
    asked: Asked,
    *,
    every: bool,
    formats: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> int:
    """Judge, write the matrix, show it; the exit code is the worst. Raises SettingsError."""
    wanted = places(files, names, every=every)
    try:
        outcomes = judge_places(wanted, asked, _nobody if as_json or quiet else _said)
    except Interrupted as error:
        _shown(error.outcomes, _folder(wanted, asked), formats, as_json=as_json, quiet=quiet)
        return Exit.INTERRUPTED
    worst, kept = _shown(outcomes, _folder(wanted, asked), formats, as_json=as_json, quiet=quiet)
    code = EXITS[worst]
    return Exit.NO_REPORT if code is Exit.OK and not kept else code


def _folder(wanted: Sequence[Place], asked: Asked) -> Path | None:
    """Where it was asked for, or beside the runs of the first site that can be read."""
    reports = next((place.reports for place in wanted if place.reports), None)
    return asked.output or (reports / f"{new_run_id()}-matrix" if reports else None)


def _shown(
    outcomes: Sequence[Outcome], folder: Path | None, formats: tuple[str, ...], *, as_json: bool, quiet: bool
) -> tuple[State, bool]:
    """Write and show the matrix: its state, and whether it is kept."""
    matrix: Any = importlib.import_module("reports.matrix")
    columns = [
        matrix.Column(site=one.site, environment=one.environment, run=one.run, error=one.error, folder=one.folder)
        for one in outcomes
    ]
    worst: State = matrix.state_of(columns)
    language = _language(outcomes)
    files = _written(matrix, columns, folder, formats, language) if folder else None
    if as_json:
        sys.stdout.buffer.write(matrix.render(columns, "json", language))
    elif not (quiet and worst in (State.OK, State.SKIPPED)):
        matrix.show(columns, language, sys.stdout, files or {})
    return worst, files is not None


def _written(matrix: Any, columns: Any, folder: Path, formats: Iterable[str], language: Any) -> dict[str, Path] | None:
    """None where something could not be written, which is said and hides nothing."""
    try:
        files: dict[str, Path] = matrix.write(columns, folder, formats or matrix.FORMATS, language)
    except ReportError as error:
        complain(told(error.said))
        return None
    return files


def _language(outcomes: Iterable[Outcome]) -> Any:
    """The reader's: that of the first environment that was judged, unless another was asked for."""
    environment = next((outcome.run.environment for outcome in outcomes if outcome.run), None)
    if environment is None:
        return importlib.import_module("reports.language").Language(asked_for() or spoken())
    return importlib.import_module("reports").speaking(environment, asked_for())


def _said(outcome: Outcome) -> None:
    """A line on standard error as each comes, so that nobody waits before a silent screen."""
    name = f"{outcome.site} · {outcome.environment}"
    words = text("{name} was judged", name=name) if outcome.run else text("{name} was not judged", name=name)
    click.echo(told(words), err=True)


def _nobody(outcome: Outcome) -> None:
    """Say nothing."""
