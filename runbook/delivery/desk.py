"""Which ticket a run goes into: the one that was named, the one its incident has, or a new one where policy says so."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from runbook.delivery.attaching import Delivered, Parcel, Sender
from runbook.delivery.memory import Memory, remembering
from runbook.delivery.tickets import TicketName, parse_ticket, tracker_for
from runbook.delivery.tickets.tracker import Tracker
from runbook.errors import DeliveryError, ReportError
from runbook.history import KEPT
from runbook.incidents import Incident, incidents
from runbook.model import Run
from runbook.site import Site

#: What a tracker answers of a ticket that was taken away: it is not asked again.
_GONE = (404, 410)


def deliver(
    site: Site,
    run: Run,
    language: Any,
    *,
    name: TicketName | None = None,
    may_open: bool = False,
    close: bool = False,
) -> tuple[Delivered, ...]:
    """Write the run into its ticket, and the end of incidents that are over into theirs; empty where there is none.

    With ``may_open`` a ticket is opened where the settings allow it, with ``close`` one that a person named is closed
    too. A ticket of ours that fails keeps none of the others from being written, and says so in what is returned.
    Raises DeliveryError for the one that was named or is to be opened, HistoryError, and SettingsError for a tracker
    that the site file does not know.
    """
    with remembering(site.state_folder) as memory:
        desk = _Desk(site, language, memory)
        if name is not None:
            return (desk.sender(run).into(name, desk.tracker(name.kind), close=close),)
        return (*desk.own(run, may_open, close), *desk.ended_meanwhile(close))


def preview(site: Site, run: Run, language: Any, name: TicketName | None) -> Parcel:
    """What would be sent; nothing is asked of any tracker. Raises HistoryError and SettingsError."""
    desk = _Desk(site, language, Memory())
    return desk.sender(run).parcel(desk.tracker(name.kind if name else desk.kind or "file"))


class _Desk:
    def __init__(self, site: Site, language: Any, memory: Memory) -> None:
        self._site, self._language, self._memory = site, language, memory
        settings = site.settings.tickets
        self.kind = settings.tracker if settings is not None else ""

    def tracker(self, kind: str) -> Tracker:
        return tracker_for(kind, self._site.settings.tickets, self._site.environment.name)

    def sender(self, run: Run) -> Sender:
        return Sender(self._site, run, self._language, self._memory)

    def own(self, run: Run, may_open: bool, close: bool) -> Iterator[Delivered]:
        """Into the tickets that the run's incident has, or gets."""
        sender = self.sender(run)
        if sender.incident is None:
            return
        names, opened = self._known(sender.incident, sender), False
        if not names and may_open and sender.may_open():
            names, opened = [sender.open(sender.incident, self.tracker(self.kind), self.kind)], True
        for name in names:
            yield self._tried(sender, name, opened=opened, close=close)

    def ended_meanwhile(self, close: bool) -> Iterator[Delivered]:
        """Tickets of incidents that are over and do not say so yet: their last run says it."""
        for incident in incidents(self._site.history, KEPT):
            owed = [name for name, own in self._memory.tickets.get(incident.id, {}).items() if not own.ended]
            last = self._last_run(incident) if owed and incident.ended is not None else None
            if last is not None:
                yield from (self._tried(self.sender(last), parse_ticket(name), close=close) for name in owed)

    def _tried(self, sender: Sender, name: TicketName, *, opened: bool = False, close: bool = False) -> Delivered:
        try:
            return sender.into(name, self.tracker(name.kind), opened=opened, close=close)
        except DeliveryError as error:
            incident = sender.incident
            if incident is not None and getattr(error, "status", None) in _GONE:
                self._memory.tickets[incident.id][str(name)].ended = True
            return sender.failed(name, error, opened=opened)

    def _known(self, incident: Incident, sender: Sender) -> list[TicketName]:
        """As remembered here, else as the tracker knows it."""
        own = self._memory.tickets.get(incident.id)
        if own:
            return [parse_ticket(name) for name in own]
        id = self.tracker(self.kind).find(incident) if self.kind else None
        if id is None:
            return []
        sender.remember(incident, TicketName(self.kind, id), opened=True)
        return [TicketName(self.kind, id)]

    def _last_run(self, incident: Incident) -> Run | None:
        folder = next((one.folder for one in self._site.history.kept(KEPT) if one.id == incident.runs[-1]), "")
        try:
            run: Run | None = import_module("reports").read(Path(folder)) if folder else None
        except ReportError:
            return None
        return run
