"""The rows as the runbook judges them, and what cannot be undercut: one connection and one round trip to each host."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import COMMAND
from tests.booted_hosts import BootedHost

SERVICES = ("ssh", "dbus")
ENVIRONMENT = "bench"


def site_file(hosts: Sequence[BootedHost], home: Path) -> Path:
    """A site of these hosts and nothing else."""
    file = home / "site.toml"
    addresses = ", ".join(f'"{host.address}"' for host in hosts)
    services = ", ".join(f'"{name}"' for name in SERVICES)
    file.write_text(
        f'[site]\nstate = "{home / "state"}"\nreports = "{home / "reports"}"\n'
        f"[environments.{ENVIRONMENT}.hosts]\naddresses = [{addresses}]\nservices = [{services}]\n"
        f'ssh_config = "{hosts[0].ssh_config}"\ncertificates = ["/etc/ssl/app.pem"]\n'
    )
    return file


def command(file: Path) -> list[str]:
    """The whole command: every row of the hosts and their services."""
    return [COMMAND, "check", "--settings", str(file), "-m", "hosts or host_health or services"]


def rows() -> list[Any]:
    """The rows of the hosts."""
    from checks import host_health, hosts, services
    from runbook.rows import declared

    modules = {module.__name__ for module in (hosts, host_health, services)}
    return [row for row in declared() if row.check.__module__ in modules]


def judged(file: Path) -> tuple[float, dict[str, Any]]:
    """Seconds from asking to the last verdict of all rows, each on a thread of its own; and the verdicts."""
    from runbook.history import History
    from runbook.limits import Limits
    from runbook.probes import Readings, reading_through
    from runbook.site_file import load
    from runbook.targets.hosts.hosts import Hosts

    settings = load(file).environments[ENVIRONMENT].hosts
    targets = {"hosts": Hosts("hosts", settings, environment=ENVIRONMENT), "history": History(None, ENVIRONMENT)}
    verdicts: dict[str, Any] = {}
    readings = Readings()

    def judge(row: Any) -> None:
        limits = Limits(row.threshold, row.settings)
        with reading_through(readings):
            row.check(limits=limits, **{name: targets[name] for name in row.targets})
        verdicts[row.id] = limits.verdict()

    declared = rows()
    return _together(declared, judge), verdicts


def connected(file: Path, count: int) -> float:
    """Seconds until so many hosts have answered ``true``, all asked at the same time over new connections of ours."""
    from runbook.site_file import load
    from runbook.targets.hosts.shell import run

    settings = load(file).environments[ENVIRONMENT].hosts
    assert settings is not None
    return _together(settings.addresses[:count], lambda address: run("hosts", address, settings, "true"))


def _together(whom: Sequence[Any], ask: Callable[[Any], None]) -> float:
    threads = [threading.Thread(target=ask, args=(one,)) for one in whom]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started
