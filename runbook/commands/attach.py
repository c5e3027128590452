"""``muses-runbook attach``: a run's report into the ticket it belongs to."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from runbook import site_file
from runbook.cli import Exit, complain
from runbook.commands.options import as_json, of_language, of_site
from runbook.commands.report import folder_of
from runbook.delivery.attaching import Delivered, Parcel
from runbook.delivery.desk import deliver, preview
from runbook.delivery.tickets import NAMES, TicketName, parse_ticket
from runbook.model import Run
from runbook.site import open_site
from runbook.tongue import _, told


class Ticket(click.ParamType[TicketName]):
    """``jira:OPS-123``."""

    name = "ticket"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TicketName:
        """Read it, or say how it is written."""
        try:
            return value if isinstance(value, TicketName) else parse_ticket(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(
    help=_(
        "Write a run's report into a ticket: a comment and the files, once. A later run of the same incident renews "
        "the comment, and once the incident is proven fixed the ticket is told so. RUN is an id, a folder, or 'last'. "
        "Without --to the ticket is the one that the incident has; --open opens one where the site's settings allow it."
    ),
    epilog=_("Example: muses-runbook attach last --to jira:OPS-123"),
)
@click.argument("run", metavar="RUN", default="last")
@click.option(
    "--to", "name", type=Ticket(), metavar="TICKET", help=", ".join(shown for _pattern, shown in NAMES.values())
)
@click.option(
    "--open", "may_open", is_flag=True, help=_("Open a ticket where the incident has none and the site lets us")
)
@click.option("--close", is_flag=True, help=_("Close the ticket too once the incident is proven fixed"))
@click.option("--dry-run", is_flag=True, help=_("Print what would be sent, and send nothing"))
@of_site
@of_language
@as_json
def attach(
    run: str,
    name: TicketName | None,
    may_open: bool,
    close: bool,
    dry_run: bool,
    settings: Path | None,
    env: str | None,
    lang: str | None,
    as_json: bool,
) -> int:
    """See the help."""
    reports = importlib.import_module("reports")
    stored: Run = reports.read(Path(run) if Path(run).is_dir() else folder_of(run, settings, env))
    site = open_site(site_file.load(settings), env or stored.environment.name)
    language = reports.speaking(stored.environment, lang)
    try:
        if dry_run:
            _print(_shown(preview(site, stored, language, name), as_json))
            return Exit.OK
        done = deliver(site, stored, language, name=name, may_open=may_open, close=close)
    finally:
        site.history.close()
    _print(_as_json(done) if as_json else _told(done))
    return _complained(done)


def _complained(delivered: tuple[Delivered, ...]) -> Exit:
    failed = [one for one in delivered if one.error is not None]
    for one in failed:
        complain(f"{one.ticket}: {told(one.error) if one.error else ''}")
    return Exit.NO_REPORT if failed else Exit.OK


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        click.echo(line)


def _as_json(value: object) -> Iterator[str]:
    yield msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _shown(parcel: Parcel, as_json: bool) -> Iterator[str]:
    sizes = {name: len(content) for name, content in parcel.files.items()}
    if as_json:
        yield from _as_json({"mark": parcel.mark._asdict(), "comment": parcel.words, "files": sizes})
        return
    yield parcel.words
    for name, size in sizes.items():
        yield _("file {name}: {size} bytes").format(name=name, size=size)


def _told(delivered: tuple[Delivered, ...]) -> Iterator[str]:
    comments = {
        "new": _("{ticket}: comment written, {link}"),
        "renewed": _("{ticket}: comment renewed, {link}"),
        "same": _("{ticket}: nothing new, {link}"),
    }
    for one in delivered:
        if one.opened:
            yield _("{ticket}: opened for {incident}").format(ticket=one.ticket, incident=one.incident)
        if one.error is None:
            yield comments[one.comment].format(ticket=one.ticket, link=one.link)
        if one.ended:
            yield _("{ticket}: the incident {incident} is over").format(ticket=one.ticket, incident=one.incident)
        if one.closed:
            yield _("{ticket}: closed").format(ticket=one.ticket)
    if not delivered:
        yield _("Nothing to attach: the run belongs to no incident with a ticket (--to names one, --open opens one)")
