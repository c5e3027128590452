"""The hosts of an environment: the room on their disks. Reads only."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import copy_context
from datetime import timedelta
from typing import ClassVar, NamedTuple

import msgspec

from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.probes import probe
from runbook.redact import masked_text
from runbook.settings import HostsSettings
from runbook.targets.base import Target
from runbook.targets.hosts.shell import host_name, run, shown
from runbook.targets.rights import Right
from runbook.text import text

#: One command tells bytes and inodes; ``-l`` because a network file system whose server is gone hangs it.
COMMAND = "LC_ALL=C df -l -B1 --output=fstype,size,used,avail,itotal,iused,source,target"
#: File systems that hold no data, or are full by their nature; as the root they are a container's.
_PSEUDO = frozenset({"tmpfs", "devtmpfs", "ramfs", "squashfs", "iso9660", "udf", "efivarfs", "overlay"})
_ROOT = "/"
_MEND = "ssh-keyscan HOST >> ~/.ssh/known_hosts  # compare the key with the host's first; then: ssh-copy-id USER@HOST"


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """One file system: ``free`` is what we may still write, in bytes, and ``used_percent`` is of what we may use.

    ``inodes_percent`` is None where the file system has no fixed number of them.
    """

    host: str
    mount: str
    bytes: int
    free: int
    used_percent: float
    inodes_percent: float | None = None


class HostDisks(msgspec.Struct, frozen=True, kw_only=True):
    """The disks of one host, or the ``problem`` that kept them from being read, and its kind."""

    host: str
    disks: tuple[Disk, ...] = ()
    problem: str | None = None
    failure: ProbeFailure | None = None


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

    def disks(self) -> tuple[HostDisks, ...]:
        """The disks of every host in the order of the settings, all read at the same time, each in its own time.

        A host that cannot be read says why and hides nothing of the others. Reads only.
        """
        told: dict[str, HostDisks] = {}

        def ask(host: Host) -> None:
            told[host.address] = _told(host)

        hosts = [Host(f"{self.name} {host_name(address)}", address, self._settings) for address in self.addresses]
        asking = [threading.Thread(target=copy_context().run, args=(ask, host), daemon=True) for host in hosts]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        return tuple(told[host.address] for host in hosts)

    @probe(deadline=timedelta(seconds=15))
    def rights(self) -> tuple[Right, ...]:
        """Whether each host lets us in. Reads only."""
        return tuple(_right(told) for told in self.disks())

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

    @probe(needs="a login by key, and the host's key among the known ones")
    def disks(self) -> tuple[Disk, ...]:
        """The file systems that hold data, shortest path first. Raises ProbeError, BROKEN where df tells nothing."""
        found = tuple(parsed(host_name(self.address), run(self.name, self.address, self._settings, COMMAND)))
        if not found:
            said = text("df tells of no disk at {address}", address=shown(self.address))
            raise ProbeError(self.name, ProbeFailure.BROKEN, said)
        return found


def parsed(host: str, printed: str) -> Iterator[Disk]:
    """The disks in the output of :data:`COMMAND`."""
    for row in _kept([row for line in printed.splitlines() if (row := _row(line))]):
        yield Disk(
            host=host,
            mount=row.mount,
            bytes=row.size,
            free=row.free,
            used_percent=100 * row.used / (row.used + row.free) if row.used + row.free else 100.0,
            inodes_percent=100 * row.inodes_used / row.inodes if row.inodes else None,
        )


class _Row(NamedTuple):
    kind: str
    size: int
    used: int
    free: int
    inodes: int
    inodes_used: int
    source: str
    mount: str


def _row(line: str) -> _Row | None:
    """One line of df, where ``-`` stands for what a file system does not say. None for any other line."""
    parts = line.split(None, len(_Row._fields) - 1)
    if len(parts) != len(_Row._fields):
        return None
    kind, *amounts, source, mount = parts
    if not all(amount == "-" or amount.isdecimal() for amount in amounts):
        return None
    size, used, free, inodes, inodes_used = (0 if amount == "-" else int(amount) for amount in amounts)
    return _Row(kind, size, used, free, inodes, inodes_used, source, mount)


def _kept(rows: list[_Row]) -> Iterator[_Row]:
    """Those that hold data, each device once: a container has one mounted at many places."""
    seen: set[str] = set()
    for row in sorted(rows, key=lambda row: len(row.mount)):
        pseudo = row.kind in _PSEUDO and row.mount != _ROOT
        if not pseudo and row.size and row.source not in seen:
            seen.add(row.source)
            yield row


def _told(host: Host) -> HostDisks:
    name = host_name(host.address)
    try:
        return HostDisks(host=name, disks=host.disks())
    except ProbeError as error:
        return HostDisks(host=name, failure=error.kind, problem=masked_text(str(error.said)))


def _right(told: HostDisks) -> Right:
    what = text("{host} lets us in and tells of its disks", host=told.host)
    return Right(what=told.problem or what, held=told.failure is None, mend=_MEND)
