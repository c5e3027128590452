"""``muses-runbook run purge``: the purge of the exchange tables, dry unless told to execute."""

from __future__ import annotations

import importlib
from typing import Any

import click

from runbook.commands.procedure import Asked, carry_out, of_procedure
from runbook.tongue import _


@click.command(
    help=_(
        "Archive the exchange records that are past their retention, read the archive back, and delete exactly what "
        "came back (Guía de Operaciones §4.1). Without --execute it only says what it would do. A purge that was "
        "stopped goes on when the command is given again. Exits with 0 done, 1 something forbids it or stays, 2 failed."
    ),
    epilog=_("Example: muses-runbook run purge --execute"),
)
@of_procedure
@click.option(
    "--confirm-large", is_flag=True, help=_("Let it take more than purge.max_percent and purge.max_growth allow")
)
def purge(confirm_large: bool, **asked: Any) -> int:
    """The procedure, see the help."""
    recording = importlib.import_module("procedures.purge.recording")
    return carry_out(Asked(**asked), lambda site, id: recording.PurgeCourse(site, id, confirmed=confirm_large))
