"""The logs of the services and of the database: what went wrong in the last minutes, in groups a person can read.

Reads the end of files here and on hosts, of journals, containers and log servers; changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

import msgspec

from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.probes import probe
from runbook.redact import masked_text
from runbook.settings import HostsSettings, LogsSettings
from runbook.settings.log_sources import Files, parsed, sources_of
from runbook.targets.base import Target
from runbook.targets.logs.asking import Asked
from runbook.targets.logs.files import Tail, matching
from runbook.targets.logs.groups import ErrorGroup, ErrorGroups, grouped
from runbook.targets.logs.sources import read, read_all
from runbook.targets.logs.times import window
from runbook.targets.rights import Right
from runbook.targets.slow_log.findings import SlowStatement
from runbook.text import text

__all__ = ["ErrorGroup", "ErrorGroups", "Logs", "ServiceLog", "Usual"]

#: What is usual is told by the same hour of the day before: the load of an office has the form of its day.
A_DAY, AN_HOUR = timedelta(days=1), timedelta(hours=1)
#: Several hosts, two commands on each.
_PATIENCE = timedelta(seconds=9)
_NO_HOSTS = HostsSettings(addresses=())


class Usual(msgspec.Struct, frozen=True, kw_only=True):
    """How many errors, and lines in all, a service logged in one hour of yesterday."""

    errors: int
    lines: int
    since: datetime
    until: datetime

    @property
    def per_minute(self) -> float:
        """Errors a minute."""
        return self.errors / ((self.until - self.since) / timedelta(minutes=1))


class Logs(Target):
    """The logs of one environment."""

    kind: ClassVar[str] = "logs"

    def __init__(
        self, name: str, settings: LogsSettings | None, *, environment: str, hosts: HostsSettings | None = None
    ) -> None:
        super().__init__(name)
        self._given, self._setting = settings, f"environments.{environment}.logs"
        self._hosts = hosts or _NO_HOSTS

    def errors(self, service: str) -> ErrorGroups:
        """The errors of a service in the last minutes.

        Raises NotConfigured where the settings name no log of it, ProbeError(ABSENT or DENIED) with the path.
        """
        return self._service(service).errors()

    def usual(self, service: str) -> Usual:
        """The errors of a service in the same hour of yesterday.

        Raises ProbeError(BLIND) where its logs do not reach back that far, or hold nothing of then.
        """
        return self._service(service).usual()

    @probe(needs="read access to the database's log", channel="database", deadline=_PATIENCE)
    def slow_statements(self, prefix: str | None = None) -> tuple[SlowStatement, ...]:
        """What the database logged as slow in the last minutes, by shape, the greatest total first.

        The log may be text, csvlog or jsonlog; ``prefix`` is the server's log_line_prefix where it is known. Raises
        ProbeError(BLIND) where it is none of them.
        """
        from runbook.targets.slow_log.tails import slowest

        setting = f"{self._setting}.database"
        if not self._settings.database:
            raise NotConfigured(self.name, setting)
        since, until = window(self._settings.window)
        asked = Asked(self.name, setting, since, until, self._settings.max_bytes, self._settings, self._hosts)
        tails, failed = read_all(sources_of(self._settings.database), asked)
        if failed:
            raise failed[0]
        found = slowest(tails, since, prefix)
        if found is None:
            said = text(
                "{setting} is no log of PostgreSQL: text with its log_line_prefix, csvlog, jsonlog", setting=setting
            )
            raise ProbeError(self.name, ProbeFailure.BLIND, said)
        return found

    @probe(deadline=timedelta(seconds=15))
    def rights(self) -> tuple[Right, ...]:
        """Which logs may be read. Reads only."""
        asked = [(f"{self._setting}.database", pattern) for pattern in self._settings.database]
        for service, named in self._settings.services.items():
            asked += [(f"{self._setting}.services.{service}", address) for address in named]
        return tuple(self._right(setting, address) for setting, address in asked)

    def _right(self, setting: str, address: str) -> Right:
        what = text("reads {pattern} ({setting})", pattern=address, setting=setting)
        source, mend, held = parsed(address), "", True
        try:
            if isinstance(source, Files):
                mend = f"setfacl -m u:$(id -un):r {address}  # or mend {setting}"
                for path in matching(self.name, source.patterns, setting):
                    with path.open("rb"):
                        pass
            else:
                since, until = window(timedelta(seconds=1))
                read(source, Asked(self.name, setting, since, until, 4096, self._settings, self._hosts))
        except (OSError, ProbeError) as error:
            held, mend = False, mend or masked_text(str(error))
        return Right(what=what, held=held, mend=mend)

    def _service(self, service: str) -> ServiceLog:
        setting = f"{self._setting}.services.{service}"
        if service not in self._settings.services:
            raise NotConfigured(self.name, setting)
        return ServiceLog(f"{self.name}.{service}", service, self._settings, setting, self._hosts)

    @property
    def _settings(self) -> LogsSettings:
        if self._given is None:
            raise NotConfigured(self.name, self._setting)
        return self._given


class ServiceLog(Target):
    """The logs of one service, a target of its own: that one cannot be read says nothing of the others."""

    kind: ClassVar[str] = "logs"

    def __init__(self, name: str, service: str, settings: LogsSettings, setting: str, hosts: HostsSettings) -> None:
        super().__init__(name)
        self._service, self._settings, self._setting, self._hosts = service, settings, setting, hosts

    @probe(needs="read access to the service's log", deadline=_PATIENCE)
    def errors(self) -> ErrorGroups:
        """See :meth:`Logs.errors`. Where one of several sources cannot be read, the others still tell."""
        since, until = window(self._settings.window)
        found, failed = self._read(since, until)
        unseen = [str(error.said) for error in failed]
        return grouped(self._service, found, since, until, names=self._settings.correlate, unseen=unseen)

    @probe(needs="read access to the service's log, a day back", deadline=_PATIENCE)
    def usual(self) -> Usual:
        """See :meth:`Logs.usual`."""
        since, until = window(AN_HOUR)
        since, until = since - A_DAY, until - A_DAY
        found, failed = self._read(since, until)
        told = grouped(self._service, found, since, until)
        if failed or not told.whole or not told.lines:
            said = text("The logs of {service} do not tell of yesterday's same hour", service=self._service)
            raise ProbeError(self.name, ProbeFailure.BLIND, said)
        return Usual(errors=told.errors, lines=told.lines, since=since, until=until)

    def _read(self, since: datetime, until: datetime) -> tuple[list[Tail], list[ProbeError]]:
        """What its sources hold. Raises ProbeError where none of them can be read."""
        most = self._settings.max_bytes
        asked = Asked(self.name, self._setting, since, until, most, self._settings, self._hosts)
        sources = sources_of(self._settings.services[self._service])
        found, failed = read_all(sources, asked)
        if failed and not found:
            raise failed[0]
        return found, failed
