"""systemd's template units ``service@1.service`` … ``service@N.service``, on one host or spread over several.

Whoever may log in may read; what changes goes through the command that the settings put before it (``sudo -n``).
A host that cannot be reached hides nothing of the others, and keeps the number from being changed.
"""

from __future__ import annotations

import re
import shlex
import threading
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta

from runbook.errors import ProbeError, ProbeFailure
from runbook.redact import masked_text
from runbook.settings import HostsSettings, WorkersSettings
from runbook.settings.workers import SystemdSettings
from runbook.targets.hosts.shell import host_name, run, shown
from runbook.targets.rights import Right
from runbook.targets.workers.replicas import Named, Replica, Service, counted
from runbook.targets.workers.units import SHOWN, UP_TIME, parsed
from runbook.text import text

_LOCAL = "local://"
_OFFLINE = "systemd is not running"
_ENDED = re.compile(r"(?:(.*)\n)?ended (\d+)\Z", re.DOTALL)


@dataclass(frozen=True)
class _Seen:
    """What one host said, or why it said nothing."""

    host: str
    replicas: tuple[Replica, ...] = ()
    error: ProbeError | None = None


class Systemd(Named):
    """The template units of the two services on every host."""

    def __init__(self, target: str, settings: WorkersSettings, hosts: HostsSettings | None) -> None:
        own = settings.systemd or SystemdSettings()
        addresses = own.hosts or (hosts.addresses if hosts else (_LOCAL,))
        self._target, self._own = target, own
        self._services = (settings.processing, settings.consolidation)
        self._per_host = own.per_host or settings.max_replicas
        self._hosts = {_named(address, addresses): address for address in addresses}
        self._ways = hosts or HostsSettings(addresses=addresses)
        self._patience: dict[str, timedelta] = {}

    def replicas(self) -> tuple[Replica, ...]:
        """Every instance on every host, all hosts read at once. Raises ProbeError where no host can be read."""
        return self._replicas(self._look())

    def services(self) -> tuple[Service, ...]:
        """The services by the instances that are up; ``unseen`` names the hosts that could not be read. Reads only."""
        seen = self._look()
        unseen = [f"{s.host}: {masked_text(str(s.error.said))}" for s in seen if s.error is not None]
        return counted(self._replicas(seen), unseen)

    def patience(self, name: str) -> timedelta:
        """The longer of the times that the unit gives it to start and to stop."""
        return self._patience.get(name, timedelta(seconds=90))

    def start(self, name: str) -> None:
        """Put the start of one instance into the queue of its host's systemd; what had failed is forgotten before."""
        host, unit = self._place(name)
        quoted, sudo = shlex.quote(unit), shlex.join(self._own.change_with)
        forget = f"if systemctl is-failed --quiet -- {quoted}; then {sudo} systemctl reset-failed -- {quoted}; fi"
        self._change(host, "enable" if self._own.enable else "start", unit, before=f"{forget} && ")

    def stop(self, name: str) -> None:
        """Put the stop of one instance into the queue of its host's systemd."""
        host, unit = self._place(name)
        self._change(host, "disable" if self._own.enable else "stop", unit)

    def rights(self) -> tuple[Right, ...]:
        """Whether each host tells of its units, and would take a change from us. Reads only."""
        return tuple(right for host in self._hosts for right in self._rights(host))

    def _replicas(self, seen: tuple[_Seen, ...]) -> tuple[Replica, ...]:
        errors = [s.error for s in seen if s.error is not None]
        if len(errors) == len(seen):
            raise errors[0]
        order = {name: place for place, name in enumerate(self._services)}
        found = [replica for s in seen for replica in s.replicas]
        if not found:
            units = ", ".join(f"{name}@.service" for name in self._services)
            raise ProbeError(self._target, ProbeFailure.ABSENT, text("no host has the units {units}", units=units))
        return tuple(sorted(found, key=lambda replica: order[replica.service]))

    def _look(self) -> tuple[_Seen, ...]:
        told: dict[str, _Seen] = {}

        def ask(host: str) -> None:
            told[host] = self._told(host)

        asking = [threading.Thread(target=copy_context().run, args=(ask, host), daemon=True) for host in self._hosts]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        return tuple(told[host] for host in self._hosts)

    def _told(self, host: str) -> _Seen:
        try:
            printed = self._run(host, self._question())
            if _OFFLINE in printed:
                said = text("cannot see: the first process of {host} is not systemd", host=host)
                raise ProbeError(self._target, ProbeFailure.BLIND, said)
            units = parsed(printed, host, self._services)
        except ProbeError as error:
            return _Seen(host, error=error)
        self._patience.update({unit.replica.name: unit.patience for unit in units})
        return _Seen(host, tuple(unit.replica for unit in units))

    def _question(self) -> str:
        """One line for a POSIX shell: every instance there may be, those that are loaded beyond, and the up time."""
        numbers = range(1, self._per_host + 1)
        units = [f"{name}@{n}.service" for name in self._services for n in numbers]
        units += [f"{name}.service" for name in self._services] + [f"{name}@*.service" for name in self._services]
        show = f"LC_ALL=C systemctl show --no-pager --property={','.join(SHOWN)} -- {shlex.join(units)}"
        clock = f"echo; echo {UP_TIME}=$(cut -d' ' -f1 /proc/uptime)"
        return f"if test -d /run/systemd/system; then {show}; {clock}; else echo {shlex.quote(_OFFLINE)}; fi"

    def _change(self, host: str, verb: str, unit: str, before: str = "") -> None:
        now = "--now " if verb in ("enable", "disable") else ""
        sudo = shlex.join(self._own.change_with)
        line = f"{before}{sudo} systemctl --no-block {verb} {now}-- {shlex.quote(unit)}".replace("  ", " ")
        found = _ENDED.search(self._run(host, f"{{ {line.strip()}; }} 2>&1; printf '\\nended %s' $?"))
        if found is None or found[2] != "0":
            last = (found[1] or "").strip().rpartition("\n")[2] if found else ""
            said = text("{verb} of {unit} at {host} failed: {reason}", verb=verb, unit=unit, host=host, reason=last)
            raise ProbeError(self._target, ProbeFailure.BROKEN, said, code=found[2] if found else None)

    def _rights(self, host: str) -> tuple[Right, ...]:
        seen = self._told(host)
        if seen.error is not None:
            return (Right(what=seen.error.said, held=False, mend="ssh-copy-id USER@HOST", identity="reader"),)
        unit = f"{self._services[0]}@1.service"
        asked = shlex.join((*self._own.change_with, "systemctl", "--no-block", "start", "--", unit))
        told = self._run(host, f"{{ {self._may(unit)}; }} >/dev/null 2>&1; echo ended $?")
        may = text("{host} lets us start and stop {unit}", host=host, unit=unit)
        return (
            Right(what=text("{host} tells of its units", host=host), held=True),
            Right(what=may, held=told.endswith("ended 0"), mend=f"visudo: {asked}", identity="operator"),
        )

    def _may(self, unit: str) -> str:
        """A command that ends well where we might start the unit, and starts nothing."""
        before = self._own.change_with
        if before[:1] == ("sudo",):
            return shlex.join((*before, "-l", "--", "systemctl", "--no-block", "start", "--", unit))
        if before:
            return shlex.join((*before, "true"))
        polkit = "pkcheck --action-id org.freedesktop.systemd1.manage-units --process $$"
        return f'test "$(id -u)" = 0 || {polkit} --detail unit {shlex.quote(unit)} --detail verb start'

    def _place(self, name: str) -> tuple[str, str]:
        host, _, unit = name.partition(":")
        if host not in self._hosts:
            raise ProbeError(self._target, ProbeFailure.ABSENT, text("{host} is none of the hosts", host=host))
        return host, f"{unit}.service"

    def _run(self, host: str, line: str) -> str:
        return run(f"{self._target} {host}", self._hosts[host], self._ways, line)


def _named(address: str, addresses: tuple[str, ...]) -> str:
    """What people call the host; its address where two would be called the same."""
    short = host_name(address)
    alone = sum(host_name(other) == short for other in addresses) == 1
    return (short if alone else shown(address)).replace(":", "_")
