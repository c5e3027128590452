"""Tickets: a module for each kind of tracker, behind one Protocol, and how a ticket is named."""

from __future__ import annotations

import re
from importlib import import_module
from typing import NamedTuple, cast

from runbook.delivery.tickets.tracker import Tracker
from runbook.errors import SettingsError
from runbook.settings.tickets import TicketsSettings
from runbook.tongue import _

_PROJECT = r"[\w.-]+(?:/[\w.-]+)+"
#: How each kind of tracker names its tickets, as a pattern and as an example.
NAMES = {
    "jira": (r"[A-Za-z][A-Za-z0-9_]*-\d+", "jira:OPS-123"),
    "github": (rf"{_PROJECT}#\d+", "github:owner/repo#12"),
    "gitlab": (rf"{_PROJECT}#\d+", "gitlab:group/project#3"),
    "servicenow": (r"[A-Za-z]{2,8}\d+", "servicenow:INC0010023"),
    "file": (r".+", "file:FOLDER"),
}
_KINDS = {
    "jira": ("runbook.delivery.tickets.jira", "Jira"),
    "github": ("runbook.delivery.tickets.github", "GitHub"),
    "gitlab": ("runbook.delivery.tickets.gitlab", "GitLab"),
    "servicenow": ("runbook.delivery.tickets.servicenow", "ServiceNow"),
}


class TicketName(NamedTuple):
    """A ticket as a person writes it: ``jira:OPS-123``."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def parse_ticket(written: str) -> TicketName:
    """Read ``jira:OPS-123``. Raises ValueError that shows how tickets are named."""
    kind, _colon, id = written.partition(":")
    if kind in NAMES and re.fullmatch(NAMES[kind][0], id):
        return TicketName(kind, id)
    examples = ", ".join(example for _pattern, example in NAMES.values())
    raise ValueError(_("{written!r} names no ticket: write {examples}").format(written=written, examples=examples))


def tracker_for(kind: str, settings: TicketsSettings | None, environment: str) -> Tracker:
    """The tracker of that kind as the environment's settings know it; a folder needs none. Raises SettingsError."""
    if kind == "file":
        folder: Tracker = import_module("runbook.delivery.tickets.folder").Folder()
        return folder
    key = f"environments.{environment}.tickets"
    if settings is None:
        raise SettingsError(_("the site file says nothing of a tracker: set tracker, url and token"), key=key)
    if settings.tracker != kind:
        words = _("the site's tracker is {tracker}, not {kind}").format(tracker=settings.tracker, kind=kind)
        raise SettingsError(words, key=f"{key}.tracker")
    module, name = _KINDS[kind]
    return cast(Tracker, getattr(import_module(module), name)(settings, key))
