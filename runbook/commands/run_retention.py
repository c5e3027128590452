"""``muses-runbook run retention``: old backups go, by rules that never leave less than what is proven."""

from __future__ import annotations

import importlib
from typing import Any

import click

from runbook.commands.procedure import Asked, carry_out, of_procedure
from runbook.tongue import _


@click.command(
    help=_(
        "Say which published backups stay and why, and remove those that may go: never the newest verified ones, the "
        "newest proven by a restore, what is on hold, locked or in use, and nothing at all where a list, a manifest, "
        "a clock or the database's identity is not as it should be. Exits with 0 done, 1 frozen, 2 failed."
    ),
    epilog=_("Example: muses-runbook run retention --execute"),
)
@of_procedure
@click.option("--confirm-many", is_flag=True, help=_("Let more than three go at once"))
def retention(confirm_many: bool, **asked: Any) -> int:
    """The procedure, see the help."""
    recording = importlib.import_module("procedures.backup.retention_recording")
    return carry_out(Asked(**asked), lambda site, id: recording.RetentionCourse(site, id, confirmed=confirm_many))
