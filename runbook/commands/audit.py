"""``muses-runbook audit verify``: is the journal of actions whole?"""

from __future__ import annotations

from pathlib import Path

import click

from runbook import journal, site_file
from runbook.commands.options import of_site
from runbook.site import open_site
from runbook.tongue import _


@click.group(help=_("Prove that the journal of actions is complete"), epilog=_("Example: muses-runbook audit verify"))
def audit() -> None:
    """The journal."""


@audit.command(help=_("Check the chain of the journal"), epilog=_("Example: muses-runbook audit verify"))
@of_site
def verify(settings: Path | None, env: str | None) -> int:
    """Say how many entries there are, and which intents have no result."""
    file = open_site(site_file.load(settings), env).state_folder / "journal.jsonl"
    entries = journal.verify(file)
    click.echo(_("{count} entries, the chain is whole: {file}").format(count=len(entries), file=file))
    open_intents = journal.unfinished(entries)
    for entry in open_intents:
        words = _("Entry {number} ({row}, run {run}) began and has no result: it is not known what it did")
        click.echo(words.format(number=entry.number, row=entry.row, run=entry.run))
    return 3 if open_intents else 0
