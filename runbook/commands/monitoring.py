"""What machines that watch are told of a run: the line of a plugin on standard output, and the site's metrics."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

import click

from runbook import tongue
from runbook.cli import complain
from runbook.errors import RunbookError
from runbook.model import Run
from runbook.site import Site
from runbook.tongue import _, told

#: The format that is the answer of a Nagios plugin: it goes to standard output, and nothing else does.
LINE = "nagios"

Command = Callable[..., int]


def with_line(command: Command) -> Command:
    """Where ``--format nagios`` is asked for, a run that cannot begin says so in such a line, too."""

    @functools.wraps(command)
    def answered(*, formats: tuple[str, ...], **given: Any) -> int:
        if LINE in formats and (given["as_json"] or given["watches"]):
            raise click.UsageError(_("--format nagios answers in one line: without --json and --watch"))
        try:
            return command(formats=formats, **given)
        except RunbookError as error:
            if LINE in formats:
                language = importlib.import_module("reports.language").Language(tongue.spoken())
                _print(importlib.import_module("reports.nagios").unknown(error.said, language))
            raise

    return answered


def print_line(run: Run, language: Any) -> None:
    """The run's line."""
    _print(importlib.import_module("reports.nagios").render(run, language))


def could_not_tell(site: Site, run: Run, language: Any, *, whole: bool) -> bool:
    """Tell the site's monitoring of the run; whether somebody was not reached (which is said)."""
    if not site.settings.metrics.are_wanted:
        return False
    failed = importlib.import_module("runbook.delivery.pushing").tell(site, run, language, whole=whole)
    for said in failed:
        complain(told(said))
    return bool(failed)


def _print(line: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
