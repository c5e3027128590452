"""The logs of the services and of the database: what went wrong in the last minutes, in groups a person can read.

Reads the end of plain files on this machine; changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import msgspec

from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.probes import probe
from runbook.redact import masked
from runbook.settings import LogsSettings
from runbook.targets.base import Target
from runbook.targets.logs.files import Tail, matching, tail
from runbook.targets.logs.records import Entry, entries
from runbook.targets.logs.shapes import LONGEST, Kind, kind_of, shape
from runbook.targets.logs.slow_log import SlowStatement, slowest
from runbook.targets.logs.times import window
from runbook.targets.rights import Right
from runbook.text import text

SAMPLES = 3


class ErrorGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of one shape. ``replicas`` are the logs they stand in, ``sample`` the newest ones, masked.

    ``kind`` is ``"database"`` when PostgreSQL refused or could not be reached, ``"message"`` when the record itself
    is bad.
    """

    shape: str
    count: int
    first: datetime
    last: datetime
    replicas: tuple[str, ...]
    kind: Kind
    sample: tuple[str, ...]


class ErrorGroups(msgspec.Struct, frozen=True, kw_only=True):
    """A service's errors between ``since`` and ``until``, the most frequent shape first.

    ``last_line_at`` tells a silent log from a healthy one; None where nothing was ever written. ``whole`` is False
    where the window holds more than may be read: counts are then of its newest part, which ``since`` says.
    """

    service: str
    lines: int
    errors: int
    since: datetime
    until: datetime
    last_line_at: datetime | None
    groups: tuple[ErrorGroup, ...]
    whole: bool = True


class Logs(Target):
    """The logs of one environment."""

    kind: ClassVar[str] = "logs"

    def __init__(self, name: str, settings: LogsSettings | None, *, environment: str) -> None:
        super().__init__(name)
        self._given, self._setting = settings, f"environments.{environment}.logs"

    def errors(self, service: str) -> ErrorGroups:
        """The errors of a service in the last minutes.

        Raises NotConfigured where the settings name no log of it, ProbeError(ABSENT or DENIED) with the path.
        """
        return self._service(service).errors()

    @probe(needs="read access to the database's log", channel="database")
    def slow_statements(self) -> tuple[SlowStatement, ...]:
        """What the database logged as slow in the last minutes, by shape, the greatest total first.

        Raises ProbeError(BLIND) where the log is not PostgreSQL's jsonlog.
        """
        setting = f"{self._setting}.database"
        if not self._settings.database:
            raise NotConfigured(self.name, setting)
        since, _ = window(self._settings.window)
        paths = matching(self.name, self._settings.database, setting)
        tails = [self._tail(path, setting, since) for path in paths]
        found = slowest(tails, since)
        if found is None:
            said = text("{setting} is not PostgreSQL's jsonlog (log_destination = jsonlog)", setting=setting)
            raise ProbeError(self.name, ProbeFailure.BLIND, said)
        return found

    @probe()
    def rights(self) -> tuple[Right, ...]:
        """Which logs may be read. Reads only."""
        patterns = {f"{self._setting}.database": self._settings.database} if self._settings.database else {}
        for service, named in self._settings.services.items():
            patterns[f"{self._setting}.services.{service}"] = named
        return tuple(self._right(setting, pattern) for setting, named in patterns.items() for pattern in named)

    def _right(self, setting: str, pattern: str) -> Right:
        what = text("reads {pattern} ({setting})", pattern=pattern, setting=setting)
        try:
            for path in matching(self.name, (pattern,), setting):
                with path.open("rb"):
                    pass
            held = True
        except (OSError, ProbeError):
            held = False
        return Right(what=what, held=held, mend=f"setfacl -m u:$(id -un):r {pattern}  # or mend {setting}")

    def _service(self, service: str) -> ServiceLog:
        setting = f"{self._setting}.services.{service}"
        if service not in self._settings.services:
            raise NotConfigured(self.name, setting)
        return ServiceLog(f"{self.name}.{service}", service, self._settings, setting)

    def _tail(self, path: Path, setting: str, since: datetime) -> Tail:
        return tail(self.name, path, setting, since=since, max_bytes=self._settings.max_bytes)

    @property
    def _settings(self) -> LogsSettings:
        if self._given is None:
            raise NotConfigured(self.name, self._setting)
        return self._given


class ServiceLog(Target):
    """The logs of one service, a target of its own: that one cannot be read says nothing of the others."""

    kind: ClassVar[str] = "logs"

    def __init__(self, name: str, service: str, settings: LogsSettings, setting: str) -> None:
        super().__init__(name)
        self._service, self._settings, self._setting = service, settings, setting

    @probe(needs="read access to the service's log")
    def errors(self) -> ErrorGroups:
        """See :meth:`Logs.errors`."""
        since, until = window(self._settings.window)
        paths = matching(self.name, self._settings.services[self._service], self._setting)
        most = self._settings.max_bytes
        tails = [tail(self.name, path, self._setting, since=since, max_bytes=most) for path in paths]
        return _grouped(self._service, tails, since, until)


@dataclass
class _Group:
    """One shape while it is being counted; entries come newest first within a log."""

    kind: Kind
    first: datetime
    last: datetime
    count: int = 0
    replicas: set[str] = field(default_factory=set)
    newest: list[Entry] = field(default_factory=list)

    def add(self, entry: Entry, replica: str) -> None:
        self.count += 1
        self.first, self.last = min(self.first, entry.at), max(self.last, entry.at)
        self.replicas.add(replica)
        if len(self.newest) < SAMPLES or entry.at > self.newest[-1].at:
            self.newest = sorted((*self.newest, entry), key=lambda e: e.at, reverse=True)[:SAMPLES]


def _grouped(service: str, tails: Iterable[Tail], since: datetime, until: datetime) -> ErrorGroups:
    groups: dict[str, _Group] = {}
    lines, last, reached = 0, None, since
    for log in tails:
        moments = [_count(groups, log, entry) for entry in entries(log, since)]
        lines += sum(at >= since for at in moments)
        written = max(moments, default=log.modified if log.size else None)
        last = max(filter(None, (last, written)), default=None)
        if not log.whole:
            reached = max(reached, min(moments, default=since))
    found = sorted(groups.items(), key=lambda item: -item[1].count)
    return ErrorGroups(
        service=service,
        lines=lines,
        errors=sum(group.count for group in groups.values()),
        since=reached,
        until=until,
        last_line_at=last,
        groups=tuple(_told(form, group) for form, group in found),
        whole=reached == since,
    )


def _count(groups: dict[str, _Group], log: Tail, entry: Entry) -> datetime:
    if entry.error:
        form = shape(entry.error)
        group = groups.get(form) or groups.setdefault(form, _Group(kind_of(entry.error), entry.at, entry.at))
        group.add(entry, log.path.stem)
    return entry.at


def _told(form: str, group: _Group) -> ErrorGroup:
    return ErrorGroup(
        shape=masked(form),
        count=group.count,
        first=group.first,
        last=group.last,
        replicas=tuple(sorted(group.replicas)),
        kind=group.kind,
        sample=tuple(entry.sample[:LONGEST] for entry in group.newest),
    )
