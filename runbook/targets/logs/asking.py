"""Who asks for a service's log, and how many sources or replicas are asked at the same time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlsplit

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import HostsSettings, LogAccess, LogsSettings
from runbook.targets.hosts.shell import host_name
from runbook.targets.logs.files import Tail
from runbook.targets.web import Identity, Web

#: So many sources, or replicas of one, are read at the same time.
AT_ONCE = 16
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Asked:
    """Who asks for a service's log, with which setting in its name, between which moments, and for how many bytes.

    ``failed`` gathers why replicas of a source could not be read while others could.
    """

    target: str
    setting: str
    since: datetime
    until: datetime
    most: int
    settings: LogsSettings
    hosts: HostsSettings
    failed: list[ProbeError] = field(default_factory=list)

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


def replicas(ask: Callable[[T], list[Tail]], items: Sequence[T], asked: Asked) -> list[Tail]:
    """The tails of all replicas of one source. One that cannot be read is told beside the others; one that is gone by
    now is gone. Raises ProbeError where none can be read.
    """
    told, failed = at_once(ask, items)
    failed = [error for error in failed if error.kind is not ProbeFailure.ABSENT]
    if failed and not told:
        raise failed[0]
    asked.failed.extend(failed)
    return [log for tails in told for log in tails]


def at_once(ask: Callable[[T], R], items: Sequence[T]) -> tuple[list[R], list[ProbeError]]:
    """The answers in the order of what was asked for, and the errors of the others; some at the same time."""
    told: dict[int, R] = {}
    failed: dict[int, ProbeError] = {}
    waiting = queue.SimpleQueue[int]()
    for place in range(len(items)):
        waiting.put(place)

    def work() -> None:
        with suppress(queue.Empty):
            while True:
                place = waiting.get_nowait()
                try:
                    told[place] = ask(items[place])
                except ProbeError as error:
                    failed[place] = error

    asking = [threading.Thread(target=copy_context().run, args=(work,), daemon=True) for _ in items[:AT_ONCE]]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    if len(told) + len(failed) < len(items):
        raise RuntimeError("the reading of a log broke: the thread that did it has said why")
    return [told[place] for place in sorted(told)], [failed[place] for place in sorted(failed)]
