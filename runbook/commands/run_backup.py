"""``muses-runbook run backup`` and what belongs to it."""

from __future__ import annotations

import importlib
from typing import Any

import click

from runbook.commands.procedure import Asked, carry_out, of_procedure
from runbook.tongue import _


@click.command(
    help=_(
        "Dump the database with pg_dump of its own version, encrypt it, stream it into the bucket, read it back whole, "
        "and publish it by its manifest (Guía de Operaciones §4.2). No temporary file. Without --execute it only says "
        "what it would do."
    ),
    epilog=_("Example: muses-runbook run backup --execute"),
)
@of_procedure
@click.option("--once-a-day", is_flag=True, help=_("Nothing to do where the site's day has a verified backup already"))
def backup(once_a_day: bool, **asked: Any) -> int:
    """The procedure, see the help."""
    recording = importlib.import_module("procedures.backup.recording")
    return carry_out(Asked(**asked), lambda site, id: recording.BackupCourse(site, id, once_a_day=once_a_day))


@click.command(
    help=_(
        "Read a published backup back whole (the newest, or the folder named): every byte of the object, and every "
        "block of the dump in it. Changes nothing. Exits with 0 whole, 2 damaged, 3 could not see."
    ),
    epilog=_("Example: muses-runbook run verify-backup 2026-11-24T0330-1a2b"),
)
@click.argument("folder", required=False)
@of_procedure
def verify_backup(folder: str | None, **asked: Any) -> int:
    """The procedure, see the help."""
    recording = importlib.import_module("procedures.backup.recording")
    return carry_out(Asked(**asked), lambda site, id: recording.VerifyCourse(site, id, folder=folder))
