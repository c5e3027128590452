"""The hosts of an environment: one look at each, in one round trip, tells all that the rows ask. Reads only."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable
from contextvars import copy_context
from datetime import timedelta
from typing import ClassVar, TypeVar

from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.probes import probe
from runbook.redact import masked_text
from runbook.settings import HostsSettings
from runbook.targets.base import Target
from runbook.targets.hosts import script
from runbook.targets.hosts.certificates import shown_by
from runbook.targets.hosts.facts import facts
from runbook.targets.hosts.shell import host_name, ran, shown
from runbook.targets.hosts.structs import Certificate, Disk, HostDisks, HostFacts, Seen
from runbook.targets.rights import Right
from runbook.text import text

__all__ = ["Disk", "Host", "HostDisks", "HostFacts", "Hosts", "Seen"]

_MEND = "ssh-keyscan HOST >> ~/.ssh/known_hosts  # compare the key with the host's first; then: ssh-copy-id USER@HOST"
A = TypeVar("A")
B = TypeVar("B")


class Hosts(Target):
    """The hosts of one environment, by testinfra's addresses."""

    kind: ClassVar[str] = "hosts"

    def __init__(self, name: str, settings: HostsSettings | None, *, environment: str) -> None:
        super().__init__(name)
        self._given, self._setting = settings, f"environments.{environment}.hosts"

    @property
    def addresses(self) -> tuple[str, ...]:
        """The hosts as the settings name them."""
        return self._settings.addresses

    @property
    def services(self) -> tuple[str, ...]:
        """The units that must run on any of the hosts; empty where the settings name none."""
        settings = self._settings
        return tuple(dict.fromkeys(unit for address in settings.addresses for unit in settings.units(address)))

    @property
    def watches_certificates(self) -> bool:
        """Whether the settings name any certificate."""
        return bool(self._settings.certificates)

    def look(self) -> tuple[Seen, ...]:
        """The facts of every host in the order of the settings, all read at the same time, each in its own time.

        A host that cannot be read says why and hides nothing of the others. One reading a host and run, however many
        rows ask. Reads only.
        """
        hosts = [Host(f"{self.name} {host_name(address)}", address, self._settings) for address in self.addresses]
        return _at_once(_seen, hosts)

    def disks(self) -> tuple[HostDisks, ...]:
        """The disks of every host in the order of the settings, out of :meth:`look`. Reads only."""
        return tuple(_disks(seen) for seen in self.look())

    @probe()
    def shown_certificates(self) -> tuple[Certificate, ...]:
        """The certificates that the endpoints of the settings show to this machine over TLS. Reads only."""
        return _at_once(lambda endpoint: shown_by(self.name, endpoint), self._settings.endpoints)

    @probe(deadline=timedelta(seconds=15))
    def rights(self) -> tuple[Right, ...]:
        """Whether each host lets us in. Reads only."""
        return tuple(_right(seen) for seen in self.look())

    @property
    def _settings(self) -> HostsSettings:
        if self._given is None:
            raise NotConfigured(self.name, self._setting)
        return self._given


class Host(Target):
    """One host, a target of its own: that one is silent says nothing of the others."""

    kind: ClassVar[str] = "hosts"

    def __init__(self, name: str, address: str, settings: HostsSettings) -> None:
        super().__init__(name)
        self.address, self._settings = address, settings

    @probe(needs="a login by key, and the host's key among the known ones; the group systemd-journal to see restarts")
    def facts(self) -> HostFacts:
        """All facts, in one round trip. Raises ProbeError, BROKEN where the host does not tell them whole."""
        mark, units = f"@@{secrets.token_hex(8)}", self._settings.units(self.address)
        line = script.command(mark, units, self._settings.files)
        sent = time.time()
        told = ran(self.name, self.address, self._settings, line)
        received = time.time()
        found = script.sections(mark, told.printed)
        if found is None:
            raise ProbeError(self.name, ProbeFailure.BROKEN, told.without_sense(shown(self.address)))
        return facts(host_name(self.address), units, found, sent, received)


def _at_once(ask: Callable[[A], B], whom: Iterable[A]) -> tuple[B, ...]:
    """The answers in the order of the asked, each on a thread of its own that heeds the run's readings."""
    asked = list(whom)
    told: dict[int, B] = {}

    def tell(place: int, one: A) -> None:
        told[place] = ask(one)

    asking = [
        threading.Thread(target=copy_context().run, args=(tell, place, one), daemon=True)
        for place, one in enumerate(asked)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    return tuple(told[place] for place in range(len(asked)))


def _seen(host: Host) -> Seen:
    name = host_name(host.address)
    try:
        return Seen(host=name, facts=host.facts())
    except ProbeError as error:
        return Seen(host=name, failure=error.kind, problem=masked_text(str(error.said)))


def _disks(seen: Seen) -> HostDisks:
    if seen.facts is None:
        return HostDisks(host=seen.host, failure=seen.failure, problem=seen.problem)
    if not seen.facts.disks:
        said = text("df tells of no disk at {address}", address=seen.host)
        return HostDisks(host=seen.host, failure=ProbeFailure.BROKEN, problem=str(said))
    return HostDisks(host=seen.host, disks=seen.facts.disks)


def _right(seen: Seen) -> Right:
    what = text("{host} lets us in and tells of its disks", host=seen.host)
    return Right(what=seen.problem or what, held=seen.failure is None, mend=_MEND)
