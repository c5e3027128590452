"""What one look at a host tells: bytes, spans, aware times in UTC. None is "cannot be seen", never zero."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from runbook.errors import ProbeFailure
from runbook.text import Text


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


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """How far the host's clock is ahead of ours (behind where negative), right to ``within``."""

    offset: timedelta
    within: timedelta


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes; ``available`` is the kernel's estimate of what programs may still get without swapping."""

    total: int
    available: int
    swap: int = 0
    swap_free: int = 0


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Mean numbers of running and disk-bound tasks over one, five and fifteen minutes, and the processors there are."""

    one: float
    five: float
    fifteen: float
    cores: int


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """So many of so many: open files, tasks."""

    used: int
    limit: int

    @property
    def percent(self) -> float:
        """Of the limit."""
        return 100 * self.used / self.limit if self.limit else 100.0


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """A process that the kernel killed for want of memory, by the host's clock."""

    at: datetime
    process: str


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """``ends`` is the earliest end of a file's certificates; None where there is a ``problem``."""

    where: str
    ends: datetime | None = None
    problem: Text | None = None


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One of systemd's units as it stands. ``loaded`` False: there is no such unit (``name`` may be a pattern).

    ``age`` is the time since it became active, by the host's clock. ``restarts`` counts systemd's own restarts since
    somebody last started it; ``restarted`` those of the last hour by the journal, where that may be read. ``files`` is
    of the process nearest its limit; ``files_hidden`` says that other users' processes could not be counted.
    """

    name: str
    loaded: bool
    state: str = "inactive"
    sub: str = "dead"
    enabled: str = ""
    result: str = ""
    stale: bool = False
    age: timedelta | None = None
    restarts: int = 0
    restarted: int | None = None
    memory: int | None = None
    memory_max: int | None = None
    tasks: int | None = None
    tasks_max: int | None = None
    killed: int | None = None
    files: Share | None = None
    files_hidden: bool = False

    @property
    def active(self) -> bool:
        """Whether it runs; one that waits to be restarted does not."""
        return self.state in ("active", "reloading")


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All that one look tells. ``systemd`` False: PID 1 is another program, so nothing is known of the units ``asked``.

    ``kills`` are of the last day, oldest first, None where neither journal nor kernel log may be read;
    ``killed`` is the kernel's own count since it started. ``read_only``: mounts that /etc/fstab wants writable,
    None where it names none.
    """

    host: str
    clock: Clock
    disks: tuple[Disk, ...]
    up: timedelta | None = None
    memory: Memory | None = None
    load: Load | None = None
    handles: Share | None = None
    tasks: Share | None = None
    read_only: tuple[str, ...] | None = None
    systemd: bool = False
    asked: tuple[str, ...] = ()
    failed: tuple[str, ...] | None = None
    units: tuple[Unit, ...] | None = None
    kills: tuple[Kill, ...] | None = None
    killed: int | None = None
    certificates: tuple[Certificate, ...] = ()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one host, or the ``problem`` that kept them from being read, and its kind."""

    host: str
    facts: HostFacts | None = None
    problem: str | None = None
    failure: ProbeFailure | None = None


class HostDisks(msgspec.Struct, frozen=True, kw_only=True):
    """The disks of one host, or the ``problem`` that kept them from being read, and its kind."""

    host: str
    disks: tuple[Disk, ...] = ()
    problem: str | None = None
    failure: ProbeFailure | None = None
