"""``muses-runbook run``: the procedures, each several steps with a gate between them."""

from __future__ import annotations

import importlib
from typing import cast

import click

from runbook.tongue import _

_PROCEDURES = {
    "purge": ("runbook.commands.run_purge", _("Archive, prove and delete exchange records past their retention")),
    "backup": ("runbook.commands.run_backup", _("Dump, encrypt, store, read back and publish a backup")),
    "verify-backup": ("runbook.commands.run_backup", _("Read a published backup back whole")),
    "restore-test": ("runbook.commands.run_restore", _("Prove a backup by restoring it into a throwaway cluster")),
    "restore-backup": ("runbook.commands.run_restore", _("Restore a backup into a new database")),
    "retention": ("runbook.commands.run_retention", _("Remove old backups, never the last good ones")),
    "restore-archive": ("runbook.commands.run_archive", _("Bring archived records back")),
    "verify-archive": ("runbook.commands.run_archive", _("Read archived batches back and prove them whole")),
    "search-archive": ("runbook.commands.run_archive", _("Find archived records without restoring them")),
}


class Procedures(click.Group):
    """Knows the procedures by name and help, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are told of."""
        return list(_PROCEDURES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The procedure's command, imported now."""
        if cmd_name not in _PROCEDURES:
            return None
        module = importlib.import_module(_PROCEDURES[cmd_name][0])
        return cast(click.Command, getattr(module, cmd_name.replace("-", "_")))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list without importing any."""
        with formatter.section(_("Procedures")):
            formatter.write_dl([(name, help) for name, (_module, help) in _PROCEDURES.items()])


@click.group(
    cls=Procedures,
    help=_("Run a maintenance procedure. Each is dry unless told to --execute."),
    epilog=_("Example: muses-runbook run purge --execute"),
)
def run() -> None:
    """The root of the procedures."""
