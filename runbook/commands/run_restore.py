"""``muses-runbook run restore-test`` and ``restore-backup``: a backup is worth what comes back of it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

import click

from runbook.commands.procedure import Asked, carry_out, of_procedure
from runbook.tongue import _

F = TypeVar("F", bound=Callable[..., Any])


def _jobs(help: str) -> Callable[[F], F]:
    return click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N", help=help)


@click.command(
    "restore-test",
    help=_(
        "Restore a published backup (the newest, or the folder named) into a throwaway cluster of its own version, "
        "compare it with the snapshot that was dumped and with the living database, and write the proof beside it. "
        "Without --execute it only says what it would take. Exits with 0 proven, 1 refused, 2 not restorable or failed."
    ),
    epilog=_("Example: muses-runbook run restore-test --whole --execute"),
)
@click.argument("folder", required=False)
@of_procedure
@click.option("--whole", is_flag=True, help=_("All of it; without this the schema and the rows of small tables"))
@_jobs(_("Restore a whole dump by N processes at once, from a file: needs room for it"))
def restore_test(folder: str | None, whole: bool, jobs: int, **asked: Any) -> int:
    """The procedure, see the help."""
    recording = importlib.import_module("procedures.backup.proof_recording")
    how = {"folder": folder, "whole": whole, "jobs": jobs}
    return carry_out(Asked(**asked), lambda site, id: recording.RestoreTestCourse(site, id, **how))


@click.command(
    "restore-backup",
    help=_(
        "Restore a published backup (the newest, or the folder named) into a new database, never over one that holds "
        "anything. The database takes its name when it is whole; what goes wrong before that drops it again. Without "
        "--execute it only says what it would do."
    ),
    epilog=_("Example: muses-runbook run restore-backup --to sep_muses_ayer --user postgres --execute"),
)
@click.argument("folder", required=False)
@of_procedure
@click.option("--to", required=True, metavar="DATABASE", help=_("The new database"))
@click.option("--host", metavar="HOST", help=_("Another server than the site's (a name, or a socket's folder)"))
@click.option("--port", type=click.IntRange(1, 65535), metavar="PORT", help=_("Its port"))
@click.option(
    "--user",
    metavar="ROLE",
    help=_("Who restores (default: the operator); the password is libpq's: PGPASSWORD, PGPASSFILE, ~/.pgpass"),
)
@click.option("--globals", "with_globals", is_flag=True, help=_("Make the roles that the server lacks first"))
@_jobs(_("Restore by N processes at once, from a file: needs room for it here"))
def restore_backup(
    folder: str | None,
    to: str,
    host: str | None,
    port: int | None,
    user: str | None,
    with_globals: bool,
    jobs: int,
    **asked: Any,
) -> int:
    """The procedure, see the help."""
    recording = importlib.import_module("procedures.backup.restore_recording")
    wanted = recording.Wanted(to=to, host=host, port=port, user=user, globals=with_globals, jobs=jobs)
    make = recording.RestoreBackupCourse
    return carry_out(Asked(**asked), lambda site, id: make(site, id, wanted=wanted, folder=folder))
