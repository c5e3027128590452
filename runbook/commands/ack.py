"""``muses-runbook ack``: somebody takes care of an incident, and nobody else is woken."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from runbook import site_file
from runbook.commands.options import as_json, of_site
from runbook.decoding import nearest_to
from runbook.delivery.memory import Acknowledged, remembering
from runbook.errors import SettingsError
from runbook.history import KEPT
from runbook.incidents import Incident, incidents
from runbook.site import Site, open_site
from runbook.tongue import _


@click.command(
    help=_(
        "Say that you take care of an incident: it is not escalated any more, and later messages name you. INCIDENT is "
        "its id, as the messages give it, or 'current'."
    ),
    epilog=_("Example: muses-runbook ack current --as 'Ana Ruiz'"),
)
@click.argument("incident", metavar="INCIDENT", default="current")
@click.option("--as", "name", required=True, metavar="NAME", help=_("Who takes care of it"))
@of_site
@as_json
def ack(incident: str, name: str, settings: Path | None, env: str | None, as_json: bool) -> None:
    """Remember it in the state folder."""
    loaded = site_file.load(settings)
    site = open_site(loaded, env or next((one for one in loaded.environments if incident.startswith(f"{one}-2")), None))
    try:
        found = _found(site, incident)
        taken = Acknowledged(by=_named(name), at=datetime.now(UTC))
        with remembering(site.state_folder) as memory:
            memory.acknowledged[found.id] = taken
    finally:
        site.history.close()
    if as_json:
        click.echo(msgspec.json.encode({"incident": found.id, "by": taken.by, "at": taken.at}))
    else:
        click.echo(_("{who} takes care of {incident}").format(who=taken.by, incident=found.id))


def _named(name: str) -> str:
    if not name.strip():
        raise click.UsageError(_("--as names nobody"))
    return name.strip()


def _found(site: Site, id: str) -> Incident:
    known = incidents(site.history, KEPT)
    if id == "current":
        lasting = next((one for one in known if one.ended is None), None)
        if lasting is None:
            raise SettingsError(_("no incident lasts in {environment}").format(environment=site.environment.name))
        return lasting
    for one in known:
        if one.id == id:
            return _lasting(one)
    raise SettingsError(
        _("no incident {id!r} in the history").format(id=id), nearest=nearest_to(id, (i.id for i in known))
    )


def _lasting(incident: Incident) -> Incident:
    if incident.ended is not None:
        raise SettingsError(_("the incident {id} is over").format(id=incident.id))
    return incident
