"""An incident as a test tells it: runs of one environment, kept in its history with their stored reports."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

import reports
from runbook.model import Record, Run, State, Verdict, worst_of
from runbook.settings import NotificationsSettings, Secret, TicketsSettings
from runbook.site import Site
from runbook.text import text
from tests.reports import factory
from tests.runbook.fakes import site_at

TOKEN_IN = "MUSES_TEST_TRACKER_TOKEN"
OK, WARNING, CRITICAL, UNKNOWN = State.OK, State.WARNING, State.CRITICAL, State.UNKNOWN


class Story:
    """One environment, called test."""

    def __init__(self, folder: Path, **tables: Any) -> None:
        self.site: Site = site_at(folder, **tables)
        self.language = reports.speaking(self.site.environment)
        self._now = datetime.now(UTC).replace(microsecond=0)

    def with_tickets(self, **settings: Any) -> Story:
        """The same with other settings of the tracker."""
        tickets = TicketsSettings(token=Secret(env=TOKEN_IN), **settings)
        self.site = replace(self.site, settings=msgspec.structs.replace(self.site.settings, tickets=tickets))
        return self

    def with_notifications(self, **settings: Any) -> Story:
        """The same with other settings of who is told."""
        told = NotificationsSettings(**settings)
        self.site = replace(self.site, settings=msgspec.structs.replace(self.site.settings, notifications=told))
        return self

    def run(self, minutes: float, summary: str = "tiene 1,432 mensajes", **states: State) -> Run:
        """A run that began so many minutes ago, kept and stored; rows are QUEUE, ETL, DB."""
        began = self._now - timedelta(minutes=minutes)
        run = msgspec.structs.replace(
            factory.incident(),
            id=f"{began:%Y%m%dT%H%M%SZ}-7c1f",
            environment=self.site.environment,
            started_at=began,
            ended_at=began + timedelta(seconds=20),
            records=tuple(_record(f"{row}-01", state, began, summary) for row, state in states.items()),
            events=(),
        )
        folder = self.site.reports_folder / run.id
        reports.write(run, folder, ("json",), self.language)
        self.site.history.keep(run, worst_of(run), folder)
        return run


def _record(row: str, state: State, at: datetime, summary: str) -> Record:
    said = text("{row}: {summary}", row=row, summary=summary)
    verdict = Verdict(state=state, summary=said, judged_at=at + timedelta(seconds=1))
    return msgspec.structs.replace(factory.healthy("DB-01"), row=row, verdict=verdict)
