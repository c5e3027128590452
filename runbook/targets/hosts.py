"""The application servers, through testinfra: this machine or others over SSH. Reads only."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, ClassVar

import msgspec

from runbook.errors import NotConfigured
from runbook.probes import probe
from runbook.redact import masked_text
from runbook.settings import HostsSettings
from runbook.targets.base import Target

#: Seconds in which a host must have answered: to connect, and to go on answering.
CONNECT, ALIVE = 3, 2
#: One round trip a host: bytes, then inodes, of what is on disks.
COMMAND = "LC_ALL=C df -PT -B1 && echo -- && LC_ALL=C df -PTi"
#: File systems that are no disk that can fill up by accident.
NO_DISKS = frozenset({"tmpfs", "devtmpfs", "squashfs", "efivarfs", "iso9660", "proc", "sysfs", "fuse.portal"})


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """One mounted file system; sizes in bytes, shares 0 to 100. ``inodes_percent`` is None where it has none to run out."""

    host: str
    mount: str
    bytes: int
    free: int
    used_percent: float
    inodes_percent: float | None = None


class HostDisks(msgspec.Struct, frozen=True, kw_only=True):
    """A host's disks, fullest first; or why they could not be read."""

    host: str
    disks: tuple[Disk, ...] = ()
    problem: str | None = None


class Hosts(Target):
    """The hosts of one environment, by testinfra's addresses."""

    kind: ClassVar[str] = "hosts"

    def __init__(self, name: str, settings: HostsSettings | None, *, environment: str) -> None:
        super().__init__(name)
        self._given, self._setting = settings, f"environments.{environment}.hosts"

    @probe(needs="a login that may run df", deadline=timedelta(seconds=CONNECT + ALIVE))
    def disks(self) -> tuple[HostDisks, ...]:
        """The disks of every host, all hosts at once; a host that fails does not hide the others. Reads only."""
        addresses = self._settings.addresses
        with ThreadPoolExecutor(max_workers=max(len(addresses), 1)) as hosts:
            return tuple(hosts.map(self._disks_of, addresses))

    @property
    def _settings(self) -> HostsSettings:
        if self._given is None:
            raise NotConfigured(self.name, self._setting)
        return self._given

    def _disks_of(self, address: str) -> HostDisks:
        name = host_name(address)
        try:
            said = self._reach(address).run(COMMAND)
        except RuntimeError as failed:  # testinfra's way to say that ssh itself failed: the result is in it
            said = failed.args[0]
        except (OSError, ValueError) as error:
            return HostDisks(host=name, problem=masked_text(str(error)))
        found = tuple(sorted(parsed(name, said.stdout), key=lambda disk: -disk.used_percent))
        reason = said.stderr.strip().rpartition("\n")[2] or f"df ended with {said.rc}"
        return HostDisks(host=name, disks=found, problem=None if found else masked_text(reason))

    def _reach(self, address: str) -> Any:
        import testinfra

        if not address.startswith("ssh://"):
            return testinfra.get_host(address)
        settings = self._settings
        return testinfra.get_host(
            address,
            ssh_config=str(settings.ssh_config) if settings.ssh_config else None,
            ssh_identity_file=str(settings.ssh_identity_file) if settings.ssh_identity_file else None,
            ssh_extra_args=shlex.join(_ssh_options()),
            controlpersist=0,
        )


def host_name(address: str) -> str:
    """What a person calls the host of an address."""
    kind, _, rest = address.partition("://")
    return rest.partition("?")[0].rpartition("@")[2] or kind


def parsed(host: str, output: str) -> Iterator[Disk]:
    """The disks in the output of :data:`COMMAND`."""
    sizes, _, nodes = output.partition("--\n")
    inodes = {mount: _share(used) for *_rest, used, mount in _lines(nodes)}
    for _device, _kind, total, _used, free, used, mount in _lines(sizes):
        share = _share(used)
        if share is not None:
            yield Disk(
                host=host,
                mount=mount,
                bytes=int(total),
                free=int(free),
                used_percent=share,
                inodes_percent=inodes.get(mount),
            )


def _lines(table: str) -> Iterator[list[str]]:
    """The rows of one df, without its head and without what is no disk."""
    for line in table.splitlines()[1:]:
        columns = line.split(maxsplit=6)
        if len(columns) == 7 and columns[1] not in NO_DISKS:
            yield columns


def _share(used: str) -> float | None:
    """``"83%"`` as 83.0; None where df writes ``-``."""
    return float(used.rstrip("%")) if used.rstrip("%").isdigit() else None


def _ssh_options() -> Iterator[str]:
    """Never ask, never trust an unknown host, never wait for a silent one."""
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": str(CONNECT),
        "ServerAliveInterval": "1",
        "ServerAliveCountMax": str(ALIVE),
    }
    for name, value in options.items():
        yield from ("-o", f"{name}={value}")
