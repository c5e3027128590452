"""Tell people that an incident began, changed or is over: each channel what it does not know yet, and nothing twice.

A channel that could not be reached is told at the next look how things stand then. Whoever looks (a check, the nightly
run, ``muses-runbook notify`` from a timer) reads the history and sends from here; one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from runbook.delivery.changes import ESCALATED, Change, broken, changes, now_told
from runbook.delivery.channels import Channel, channels
from runbook.delivery.memory import Memory, Told, recalled, remembering
from runbook.errors import DeliveryError, ReportError
from runbook.history import KEPT
from runbook.incidents import Incident, current, incidents, is_breach, last_judged, proven_fixed
from runbook.model import Run, State
from runbook.settings import NotificationsSettings
from runbook.site import Site
from runbook.text import Text


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One message. ``channel`` is its place in the site file; ``error`` says why it did not arrive."""

    channel: str
    title: str
    body: str
    tone: str
    error: Text | None = None


class _Due(NamedTuple):
    """A message for one channel, and what the channel knows once it has it."""

    message: Any
    told: Told


def notify(site: Site, language: Any, *, dry: bool = False) -> tuple[Sent, ...]:
    """Tell every channel of the environment what it does not know yet: what was sent, and what did not arrive.

    With ``dry`` nothing is sent and nothing remembered. Raises HistoryError, DeliveryError where the memory cannot be
    used, SettingsError where Apprise is not installed or an address cannot be read.
    """
    settings = site.settings.notifications
    if settings is None or settings.on == "never":
        return ()
    with _memory(site, dry) as memory:
        look = _Look(site, settings, language, memory)
        asked = channels(settings, site.environment.name)
        return tuple(sent for channel in asked for sent in (*look.told(channel, dry), *look.silence(channel, dry)))


def _memory(site: Site, dry: bool) -> AbstractContextManager[Memory]:
    return nullcontext(recalled(site.state_folder)) if dry else remembering(site.state_folder)


class _Look:
    """The incident as it stands at one moment, and who knows what of it."""

    def __init__(self, site: Site, settings: NotificationsSettings, language: Any, memory: Memory) -> None:
        self._history, self._settings, self._language, self._memory = site.history, settings, language, memory
        self._environment = site.environment.name
        self._said = import_module("reports.notifications")
        self._kept = site.history.kept(KEPT)
        self._lasting = current(site.history)

    def told(self, channel: Channel, dry: bool) -> Iterator[Sent]:
        """Send what is due to the channel, oldest first; the rest waits where one does not arrive."""
        for due in self._due(channel):
            sent = _sent(channel, due.message, dry)
            yield sent
            if sent.error is not None:
                return
            self._memory.channels[channel.place] = due.told

    def silence(self, channel: Channel, dry: bool) -> Iterator[Sent]:
        """That no run was made for too long, once for each silence."""
        longest, last = self._settings.silence, self._kept[-1] if self._kept else None
        if longest is None or last is None or channel.escalation or datetime.now(UTC) - last.started_at <= longest:
            return
        if self._memory.silent.get(channel.place) == last.id:
            return
        message = self._said.silence(self._environment, last.started_at, longest, self._language)
        sent = _sent(channel, message, dry)
        yield sent
        if sent.error is None:
            self._memory.silent[channel.place] = last.id

    def _due(self, channel: Channel) -> Iterator[_Due]:
        told = self._memory.channels.get(channel.place, Told())
        if told.incident and (self._lasting is None or self._lasting.id != told.incident):
            yield from self._over(told)
            told = Told()
        if self._lasting is not None:
            yield from self._now(self._lasting, told, channel)

    def _over(self, told: Told) -> Iterator[_Due]:
        """The end of an incident; of one that the history does not know any more there is nothing to say."""
        for past in incidents(self._history, KEPT):
            if past.id == told.incident:
                yield _Due(self._message(changes(told, past, {}), past), Told())

    def _now(self, incident: Incident, told: Told, channel: Channel) -> Iterator[_Due]:
        states = {
            row: one.final if is_breach(one) else State.OK for row, one in last_judged(self._history, incident).items()
        }
        found = changes(told, incident, states)
        if channel.escalation and told.incident != incident.id:
            found = (Change(ESCALATED, broken(incident, states)),) if self._is_left_alone(incident) else ()
        if found:
            yield _Due(self._message(found, incident), now_told(incident, states))

    def _is_left_alone(self, incident: Incident) -> bool:
        after, acknowledged = self._settings.escalate_after, incident.id in self._memory.acknowledged
        return after is not None and not acknowledged and datetime.now(UTC) - incident.began >= after

    def _message(self, found: tuple[Change, ...], incident: Incident) -> Any:
        taken = self._memory.acknowledged.get(incident.id)
        fixed = incident.ended is None or proven_fixed(self._history, incident)
        run, by = self._newest_run(incident), taken.by if taken else ""
        return self._said.message(found, incident, run, self._language, acknowledged=by, fixed=fixed)

    def _newest_run(self, incident: Incident) -> Run | None:
        """The newest stored run of the incident; None where its reports cannot be read."""
        folders = {run.id: run.folder for run in self._kept}
        folder = folders.get(incident.runs[-1]) if incident.runs else None
        try:
            run: Run | None = import_module("reports").read(Path(folder)) if folder else None
        except ReportError:
            return None
        return run


def _sent(channel: Channel, message: Any, dry: bool) -> Sent:
    error: Text | None = None
    try:
        if not dry:
            channel.send(*message)
    except DeliveryError as failed:
        error = failed.said
    return Sent(channel=channel.place, title=message.title, body=message.body, tone=message.tone, error=error)
