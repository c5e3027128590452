"""``muses-runbook audit``: is the journal of actions whole, what does it say, and what must a person close?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from runbook import site_file
from runbook.acting import journal
from runbook.acting.copies import copy_of, journal_file, open_journal
from runbook.acting.journal import Entry
from runbook.acting.locks import acting_on
from runbook.commands.options import as_json, of_language, of_site
from runbook.errors import JournalError
from runbook.site import Site, open_site
from runbook.tongue import _, told

#: What a person may say of a step that nobody knows of.
OUTCOMES = ("done", "not run", "failed")


@click.group(help=_("Prove that the journal of actions is complete"), epilog=_("Example: muses-runbook audit verify"))
def audit() -> None:
    """The journal."""


@audit.command(
    help=_(
        "Check the chain of the journal and hold it against its copy. Exits with 0 whole, 1 entries not copied yet, "
        "3 steps without a result, 73 broken, changed or not to be read"
    ),
    epilog=_("Example: muses-runbook audit verify"),
)
@of_site
def verify(settings: Path | None, env: str | None) -> int:
    """Say how many entries there are, what the copy lacks, and which intents have no result."""
    site = open_site(site_file.load(settings), env)
    file = journal_file(site.state_folder)
    entries = journal.verify(file)
    click.echo(_("{count} entries, the chain is whole: {file}").format(count=len(entries), file=file))
    late = _held_against_copy(site, entries)
    for entry in (left := journal.unfinished(entries)):
        words = _("Entry {number} ({row}, run {run}) began and has no result: it is not known what it did")
        click.echo(words.format(number=entry.number, row=entry.row, run=entry.run))
    return 3 if left else 1 if late else 0


def _held_against_copy(site: Site, entries: list[Entry]) -> int:
    """How many entries the copy lacks. Raises JournalError where the two say different things."""
    copy = copy_of(site.settings, site.environment.name)
    if copy is None:
        click.echo(_("There is no copy: whoever may write the file may rewrite it (see journal.copy)"))
        return 0
    late = journal.lacking(entries, copy.held())
    click.echo(_("The copy agrees; it lacks {count} entries").format(count=len(late)))
    return len(late)


@audit.command(
    help=_("Show what was intended and what came of it, oldest first"),
    epilog=_("Example: muses-runbook audit show --row QUEUE-01 --last 20"),
)
@of_site
@click.option("--run", "run", metavar="RUN", help=_("Only this run"))
@click.option("--row", "row", metavar="ROW", help=_("Only this row"))
@click.option("--last", type=click.IntRange(1), metavar="N", help=_("Only the newest entries"))
@of_language
@as_json
def show(
    settings: Path | None,
    env: str | None,
    run: str | None,
    row: str | None,
    last: int | None,
    lang: str | None,
    as_json: bool,
) -> int:
    """One line an entry, in the site's time; the entries themselves as JSON lines."""
    site = open_site(site_file.load(settings), env, language=lang)
    entries = journal.verify(journal_file(site.state_folder))
    chosen = [one for one in entries if run in (None, one.run) and row in (None, one.row)]
    for entry in chosen[-last:] if last else chosen:
        if as_json:
            sys.stdout.buffer.write(msgspec.json.encode(entry) + b"\n")
        else:
            click.echo(_line(entry, site))
    return 0


def _line(entry: Entry, site: Site) -> str:
    at = f"{entry.at.astimezone(site.zone):%Y-%m-%d %H:%M:%S%z}"
    return " ".join(
        part for part in (f"{entry.number:>6}", at, entry.run, entry.kind, entry.row, _words(entry)) if part
    )


def _words(entry: Entry) -> str:
    body = entry.body
    match entry.kind:
        case "intent":
            return _what(body) or str(body.get("operation", ""))
        case "result":
            why = _what(body, "result") or str(body.get("said") or body.get("reason") or "")
            return f"#{body.get('intent')} → {body.get('outcome')}" + (f" ({why})" if why else "")
        case "proof":
            return str(body.get("proven", ""))
        case "begin":
            return ", ".join(f"{name} {epoch}" for name, epoch in body.get("epochs", {}).items())
        case "end":
            return _("killed; closed by {run}").format(run=body["settled_by"]) if body.get("killed") else ""
        case _:
            return str(body.get("who", ""))


def _what(body: dict[str, Any], name: str = "what") -> str:
    from runbook.text import Text

    try:
        return told(msgspec.convert(body.get(name), Text))
    except msgspec.ValidationError:
        return ""


@audit.command(
    help=_("Print the SQL that makes the table of the journal's copy and its insert-only role, for a superuser to run"),
    epilog=_("Example: muses-runbook audit sql | psql sep_muses"),
)
@of_site
def sql(settings: Path | None, env: str | None) -> int:
    """The names are those of the settings. No password is in it."""
    from runbook.targets.postgres.journal_copy import journal_sql

    journal = open_site(site_file.load(settings), env).settings.journal
    click.echo(journal_sql(journal.schema, journal.login.user if journal.login else "muses_journal"), nl=False)
    return 0


@audit.command(
    help=_("Close a step of a killed run, after having looked at what it did"),
    epilog=_('Example: muses-runbook audit settle 41 --outcome done --as ana --reason "the session is gone"'),
)
@click.argument("number", type=int)
@of_site
@click.option("--outcome", type=click.Choice(OUTCOMES), required=True, help=_("What it did"))
@click.option("--as", "who", required=True, metavar="NAME", help=_("Who looked"))
@click.option("--reason", required=True, metavar="WHY", help=_("What was seen"))
def settle(number: int, settings: Path | None, env: str | None, outcome: str, who: str, reason: str) -> int:
    """Write the result, and the run's end with its last one. Raises JournalError for an entry that is not open."""
    site = open_site(site_file.load(settings), env)
    name = site.environment.name
    with acting_on(name, site.state_folder):
        book = open_journal(site.settings, name, site.state_folder)
        opened = {entry.number: entry for entry in journal.unfinished(book.entries)}
        if number not in opened:
            raise JournalError(_("entry {number} is no step without a result").format(number=number))
        intent = opened.pop(number)
        body = {"intent": number, "outcome": outcome, "who": who, "reason": reason}
        book.write("result", run=intent.run, row=intent.row, body=body)
        if _was_the_last(intent, list(opened.values()), book.entries):
            book.write("end", run=intent.run, row="", body={"killed": True, "settled_by": who})
    click.echo(_("Entry {number} is closed: {outcome}").format(number=number, outcome=outcome))
    return 0


def _was_the_last(intent: Entry, left: list[Entry], entries: list[Entry]) -> bool:
    """Whether the run has no other open step; a procedure's intent has no run around it."""
    begun = any(entry.kind == "begin" and entry.run == intent.run for entry in entries)
    return begun and not any(entry.run == intent.run for entry in left)
