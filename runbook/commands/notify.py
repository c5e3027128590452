"""``muses-runbook notify``: tell people what has changed; from a timer it also finds silence and who is left alone."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from runbook import site_file
from runbook.cli import Exit, complain
from runbook.commands.options import as_json, of_language, of_site
from runbook.errors import DeliveryError, HistoryError, SettingsError
from runbook.site import Site, open_site
from runbook.tongue import _, told

if TYPE_CHECKING:
    from runbook.delivery.notifying import Sent


@click.command(
    help=_(
        "Tell the site's channels what has changed since they were told last: an incident begins, changes, is over. "
        "It also escalates what nobody has acknowledged and tells when no run was made for too long: run it every few "
        "minutes. A check tells by itself."
    ),
    epilog=_("Example: muses-runbook notify --dry-run"),
)
@click.option("--dry-run", is_flag=True, help=_("Print what would be sent, and send nothing"))
@of_site
@of_language
@as_json
def notify(dry_run: bool, settings: Path | None, env: str | None, lang: str | None, as_json: bool) -> int:
    """Look once."""
    site = open_site(site_file.load(settings), env, language=lang)
    if site.settings.notifications is None:
        raise SettingsError(
            _("nobody is told anything: set urls"), key=f"environments.{site.environment.name}.notifications"
        )
    try:
        sent = _sent(site, dry=dry_run)
    finally:
        site.history.close()
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(sent), indent=2))
    else:
        _print(sent)
    return Exit.NO_REPORT if any(one.error for one in sent) else Exit.OK


def after_run(site: Site) -> None:
    """Tell what a run that was just kept has changed; what stands in the way is said and hides no verdict."""
    if site.settings.notifications is None:
        return
    try:
        failed = [one for one in _sent(site) if one.error is not None]
    except (DeliveryError, HistoryError, SettingsError) as error:
        complain(told(error.said))
        return
    for one in failed:
        complain(told(one.error) if one.error else one.channel)


def _sent(site: Site, *, dry: bool = False) -> tuple[Sent, ...]:
    reports = importlib.import_module("reports")
    notifying = importlib.import_module("runbook.delivery.notifying")
    sent: tuple[Sent, ...] = notifying.notify(site, reports.speaking(site.environment), dry=dry)
    return sent


def _print(sent: tuple[Sent, ...]) -> None:
    for one in sent:
        click.echo(f"{one.channel}: {one.title}\n{one.body}\n")
        if one.error is not None:
            complain(told(one.error))
    if not sent:
        click.echo(_("Nothing has changed since everybody was told"))
