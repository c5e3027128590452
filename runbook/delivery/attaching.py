"""A run's report into a ticket: once, renewed while the incident lasts, and its end written down once it is proven.

One comment tells how the incident stands; a later run of it takes an earlier one's place, never the reverse. What is
there already is known by its mark at the tracker, so that another machine, or a lost state folder, doubles nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, NamedTuple

import msgspec

from runbook.delivery.memory import Memory, OwnTicket
from runbook.delivery.tickets import TicketName
from runbook.delivery.tickets.tracker import END, STATE, Mark, Note, Tracker
from runbook.errors import DeliveryError
from runbook.history import KEPT
from runbook.incidents import Incident, incidents, proven_fixed
from runbook.model import Run, State
from runbook.site import Site
from runbook.text import Text


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a ticket. ``files`` are the names attached.

    ``comment`` is ``new``, ``renewed``, ``same``, or ``failed``: then ``error`` says why.
    """

    ticket: str
    link: str
    incident: str
    run: str
    comment: str
    files: tuple[str, ...] = ()
    opened: bool = False
    ended: bool = False
    closed: bool = False
    error: Text | None = None


class Parcel(NamedTuple):
    """What goes into a ticket: the comment's words without the files' links, and the files by name."""

    mark: Mark
    words: str
    files: Mapping[str, bytes]


class Sender:
    """Writes one run, in one language, into tickets. ``memory`` knows which ticket an incident has."""

    def __init__(self, site: Site, run: Run, language: Any, memory: Memory) -> None:
        self._site, self._run, self._language, self._memory = site, run, language, memory
        self.incident = incident_of(site, run)

    def parcel(self, tracker: Tracker) -> Parcel:
        """What the run amounts to for this tracker."""
        reports, said = import_module("reports"), import_module("reports.tickets")
        words: str = said.body(self._run, self.incident, tracker.flavour, self._language)
        stem = import_module("reports.clean").file_stem(self._run.id)
        endings = {name: reports.FORMATS[name].suffix for name in tracker.formats}
        files = {f"{stem}{end}": reports.render(self._run, name, self._language) for name, end in endings.items()}
        id = self.incident.id if self.incident else ""
        return Parcel(Mark(id, self._run.id, STATE, _digest(words, files)), words, files)

    def into(self, name: TicketName, tracker: Tracker, *, opened: bool = False, close: bool = False) -> Delivered:
        """Write it into the ticket; where the incident is over, its end too. Raises DeliveryError."""
        parcel = self.parcel(tracker)
        comment, closed = _put(tracker, name.id, parcel), False
        if self.incident is not None:
            closed = self._kept_up(self.incident, name, tracker, opened, close)
        return Delivered(
            ticket=str(name),
            link=tracker.link(name.id),
            incident=parcel.mark.incident,
            run=self._run.id,
            comment=comment,
            files=tuple(parcel.files),
            opened=opened,
            ended=self.incident is not None and self.incident.ended is not None,
            closed=closed,
        )

    def failed(self, name: TicketName, error: DeliveryError, *, opened: bool) -> Delivered:
        """That it could not be written."""
        incident = self.incident.id if self.incident else ""
        return Delivered(
            ticket=str(name),
            link="",
            incident=incident,
            run=self._run.id,
            comment="failed",
            opened=opened,
            error=error.said,
        )

    def may_open(self) -> bool:
        """Whether the settings let a ticket be opened for what the run saw."""
        settings, incident = self._site.settings.tickets, self.incident
        if settings is None or incident is None or settings.open == "never":
            return False
        return incident.ended is None and incident.worst is State.CRITICAL

    def open(self, incident: Incident, tracker: Tracker, kind: str) -> TicketName:
        """Open a ticket for the incident. Raises DeliveryError."""
        said = import_module("reports.tickets")
        words = said.opening(incident, tracker.flavour, self._language)
        name = TicketName(kind, tracker.open(incident, said.title(self._run, incident, self._language), words))
        self.remember(incident, name, opened=True)
        return name

    def remember(self, incident: Incident, name: TicketName, *, opened: bool) -> OwnTicket:
        """That the incident has this ticket; one that was opened by us stays so, whoever names it."""
        own = self._memory.tickets.setdefault(incident.id, {})
        return own.setdefault(str(name), OwnTicket(datetime.now(UTC), opened))

    def _kept_up(self, incident: Incident, name: TicketName, tracker: Tracker, opened: bool, close: bool) -> bool:
        """Remember whose ticket it is and write down the incident's end; whether the ticket was closed for it."""
        own, settings = self.remember(incident, name, opened=opened), self._site.settings.tickets
        if incident.ended is None:
            return False
        may_close = close or (own.opened and settings is not None and settings.close)
        closed = self._ended(incident, name.id, tracker, may_close)
        own.ended = True
        return closed

    def _ended(self, incident: Incident, ticket: str, tracker: Tracker, may_close: bool) -> bool:
        fixed, said = proven_fixed(self._site.history, incident), import_module("reports.tickets")
        words: str = said.ending(incident, tracker.flavour, self._language, fixed=fixed)
        last = incident.runs[-1] if incident.runs else ""
        _put(tracker, ticket, Parcel(Mark(incident.id, last, END, _digest(words, {})), words, {}))
        plain: str = said.ending(incident, "plain", self._language, fixed=fixed)
        return may_close and fixed and tracker.close(ticket, plain)


def incident_of(site: Site, run: Run) -> Incident | None:
    """The incident that a run saw, or ended; None where it is part of none. Raises HistoryError."""
    return next((one for one in reversed(incidents(site.history, KEPT)) if run.id in one.runs), None)


def _put(tracker: Tracker, ticket: str, parcel: Parcel) -> str:
    mine = _mine(tracker.notes(ticket), parcel.mark)
    if mine is not None and mine.mark == parcel.mark:
        return "same"
    links = tracker.attach(ticket, parcel.files) if parcel.files else ""
    words = f"{parcel.words}\n{links}\n" if links else parcel.words
    if mine is None or not tracker.rewrites:
        tracker.write(ticket, words, parcel.mark)
        return "new"
    tracker.rewrite(ticket, mine, words, parcel.mark)
    return "renewed"


def _mine(notes: Iterable[Note], mark: Mark) -> Note | None:
    """The comment that this one takes the place of: of the same run, else of the incident's newest earlier one."""
    alike = [note for note in notes if (note.mark.incident, note.mark.kind) == (mark.incident, mark.kind)]
    same = [note for note in alike if note.mark.run == mark.run]
    earlier = [note for note in alike if mark.incident and note.mark.run < mark.run]
    return same[-1] if same else max(earlier, key=_run, default=None)


def _run(note: Note) -> str:
    """Ids of runs sort by time."""
    return note.mark.run


def _digest(words: str, files: Mapping[str, bytes]) -> str:
    found = hashlib.sha256(words.encode("utf-8", "replace"))
    for name, content in files.items():
        found.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return found.hexdigest()[:16]
