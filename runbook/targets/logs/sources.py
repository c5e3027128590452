"""One source of a service's log, whichever kind it is: its newest lines as tails, bounded in time and bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import HostsSettings, LogAccess, LogsSettings
from runbook.settings.log_sources import Docker, Elastic, Files, HostFiles, Journal, Loki, Pods, Source
from runbook.targets.hosts.shell import host_name
from runbook.targets.logs.files import Tail, matching, tail
from runbook.targets.web import Identity, Web


class Asked(NamedTuple):
    """Who asks for a service's log, with which setting in its name, between which moments, and for how many bytes."""

    target: str
    setting: str
    since: datetime
    until: datetime
    most: int
    settings: LogsSettings
    hosts: HostsSettings

    def access(self, server: str) -> LogAccess:
        """What the settings say of a server's access, by ``host:port`` as in the address."""
        return self.settings.access.get(urlsplit(server).netloc, LogAccess())

    def web(self, server: str, **headers: str) -> Web:
        """The server, asked as the settings say."""
        access = self.access(server)
        identity = Identity(access.token, access.login, access.cafile, access.certificate, access.key)
        return Web(self.target, server, identity, headers=headers)

    def host(self, named: str) -> str:
        """testinfra's address of a host: that of the hosts' settings where it is among them, else over SSH."""
        if not named:
            return "local://"
        known = (address for address in self.hosts.addresses if host_name(address) == named)
        return next(known, f"ssh://{named}")


def read(source: Source, asked: Asked) -> list[Tail]:
    """The tails of one source, one for each file, replica or container. Raises ProbeError."""
    match source:
        case Files(patterns):
            paths = matching(asked.target, patterns, asked.setting)
            return [tail(asked.target, path, asked.setting, since=asked.since, max_bytes=asked.most) for path in paths]
        case HostFiles():
            from runbook.targets.logs.host_files import read_host_files

            return read_host_files(source, asked)
        case Journal():
            from runbook.targets.logs.journal import read_journal

            return read_journal(source, asked)
        case Docker():
            from runbook.targets.logs.docker import read_containers

            return read_containers(source, asked)
        case Pods():
            from runbook.targets.logs.kubernetes import read_pods

            return read_pods(source, asked)
        case Loki():
            from runbook.targets.logs.loki import read_streams

            return read_streams(source, asked)
        case Elastic():
            from runbook.targets.logs.elastic import read_documents

            return read_documents(source, asked)


def read_all(sources: list[Source], asked: Asked) -> tuple[list[Tail], list[ProbeError]]:
    """The tails of all sources, read at the same time, and what kept others from being read."""
    told: dict[int, list[Tail]] = {}
    failed: dict[int, ProbeError] = {}

    def ask(place: int) -> None:
        try:
            told[place] = read(sources[place], asked)
        except ProbeError as error:
            failed[place] = error

    _at_once([lambda place=place: ask(place) for place in range(len(sources))])  # type: ignore[misc]
    if len(told) + len(failed) < len(sources):
        raise ProbeError(asked.target, ProbeFailure.BROKEN, "the reading of a log broke: see the program's own errors")
    return [log for place in sorted(told) for log in told[place]], [failed[place] for place in sorted(failed)]


def _at_once(questions: list[Callable[[], None]]) -> None:
    if len(questions) == 1:
        questions[0]()
        return
    asking = [threading.Thread(target=copy_context().run, args=(question,), daemon=True) for question in questions]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
