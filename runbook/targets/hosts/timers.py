"""The timers of the scheduled jobs on one host: installed, armed, last fired, last result, as systemd tells.

A host whose first process is not systemd cannot tell: that is "cannot see", never "not installed". What systemd
forgets at a reboot (the result of a service that has not run since) is None here, never "success".
"""

from __future__ import annotations

import shlex
import string
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.probes import probe
from runbook.settings import HostsSettings
from runbook.targets.base import Target
from runbook.targets.hosts.shell import host_name
from runbook.targets.hosts.shell import run as run_on
from runbook.targets.hosts.units import blocks, moment
from runbook.text import text

#: The jobs that may be scheduled, in the order of a night.
JOBS = ("backup", "purge", "check", "retention", "restore-test")
LOCAL = "local://"
_TARGET = "hosts"
_OFFLINE = "systemd is not running"
_TIMER = (
    "Id",
    "LoadState",
    "UnitFileState",
    "ActiveState",
    "NeedDaemonReload",
    "LastTriggerUSec",
    "NextElapseUSecRealtime",
)
_SERVICE = ("SubState", "Result", "ExecMainStatus", "ExecMainStartTimestamp")
_KEPT = frozenset(string.ascii_letters + string.digits + "_.-")


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One job's timer and service. Times are in UTC by the host's clock.

    ``fired`` outlives reboots; ``started``, ``result`` (systemd's word) and ``exit_code`` are of the last run since the
    last reboot. ``stale``: the files changed and systemd has not read them again.
    """

    job: str
    timer: str
    installed: bool
    enabled: bool = False
    active: bool = False
    stale: bool = False
    fired: datetime | None = None
    next: datetime | None = None
    running: bool = False
    started: datetime | None = None
    result: str | None = None
    exit_code: int | None = None

    @property
    def armed(self) -> bool:
        """Whether it will fire, also after the next reboot."""
        return self.installed and self.enabled and self.active

    @property
    def failed(self) -> bool:
        """Whether the last run that systemd knows of ended badly."""
        return self.result not in (None, "success")


class Timers(Target):
    """The timers of one environment's jobs on one host."""

    kind: ClassVar[str] = "hosts"

    def __init__(
        self, name: str, environment: str, *, address: str = LOCAL, settings: HostsSettings | None = None
    ) -> None:
        super().__init__(name)
        self._environment, self._address = environment, address
        self._settings = settings or HostsSettings(addresses=(address,))

    @probe(needs="systemd as the host's first process; any user may ask")
    def standings(self) -> tuple[Standing, ...]:
        """One Standing a job, in the order of :data:`JOBS`. Raises ProbeError, BLIND without systemd. Reads only."""
        return standings(lambda line: run_on(self.name, self._address, self._settings, line), self._environment)

    @property
    def host(self) -> str:
        """What a person calls the host."""
        return host_name(self._address)


def unit_name(environment: str, job: str) -> str:
    """The name of a job's units without ``.timer`` or ``.service``, escaped as ``systemd-escape`` does."""
    return f"muses-runbook-{_escaped(environment)}-{job}"


def standings(run: Callable[[str], str], environment: str) -> tuple[Standing, ...]:
    """One Standing a job, in the order of :data:`JOBS`, by what ``run`` prints for a command of the shell.

    Raises ProbeError, BLIND, where systemd is not running or does not answer; BROKEN where the answer is not whole.
    """
    printed = run(command(environment))
    if _OFFLINE in printed:
        raise ProbeError(_TARGET, ProbeFailure.BLIND, text("cannot see: the host's first process is not systemd"))
    units = {block.get("Id", ""): block for block in blocks(printed)}
    if not units:
        raise ProbeError(_TARGET, ProbeFailure.BLIND, text("cannot see: systemd does not answer systemctl"))
    return tuple(_standing(job, unit_name(environment, job), units) for job in JOBS)


def command(environment: str) -> str:
    """One line for a POSIX shell that tells of all units; English names and UTC, whatever the host's own."""
    names = [f"{unit_name(environment, job)}.{kind}" for job in JOBS for kind in ("timer", "service")]
    asked = ",".join((*_TIMER, *_SERVICE))
    show = f"LC_ALL=C TZ=UTC systemctl show --no-pager --property={asked} -- {shlex.join(names)}"
    return f"if test -d /run/systemd/system; then {show}; else echo {shlex.quote(_OFFLINE)}; fi"


def _standing(job: str, name: str, units: dict[str, dict[str, str]]) -> Standing:
    timer, service = units.get(f"{name}.timer"), units.get(f"{name}.service")
    if timer is None or service is None or "LoadState" not in timer:
        said = text("systemctl tells nothing of {unit}", unit=f"{name}.timer")
        raise ProbeError(_TARGET, ProbeFailure.BROKEN, said)
    started = moment(service.get("ExecMainStartTimestamp"))
    code = service.get("ExecMainStatus", "")
    return Standing(
        job=job,
        timer=f"{name}.timer",
        installed=timer["LoadState"] == "loaded",
        enabled=timer.get("UnitFileState", "").startswith("enabled"),
        active=timer.get("ActiveState") == "active",
        stale="yes" in (timer.get("NeedDaemonReload"), service.get("NeedDaemonReload")),
        fired=moment(timer.get("LastTriggerUSec")),
        next=moment(timer.get("NextElapseUSecRealtime")),
        running=service.get("ActiveState") in ("active", "activating", "deactivating"),
        started=started,
        result=service.get("Result") if started else None,
        exit_code=int(code) if started and code.isdecimal() else None,
    )


def _escaped(name: str) -> str:
    """The name with what a unit's name may not have as ``\\xNN``, a byte each."""
    return "".join(c if c in _KEPT else "".join(f"\\x{byte:02x}" for byte in c.encode()) for c in name)
