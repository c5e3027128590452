"""One ground for each process manager: two replicas of the service run, and five can be had.

supervisor, systemd and the site's command are real. Docker and Kubernetes are servers that answer as their API's
documentation says: see ``servers_docker`` and ``servers_kubernetes``.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runbook.model import Step
from runbook.settings import HostsSettings, Secret, WorkersSettings
from runbook.settings.workers import CommandSettings, DockerSettings, KubernetesSettings, SystemdSettings
from runbook.targets.workers.replicas import Replica, Service
from runbook.targets.workers.workers import Workers
from runbook.text import text
from tests.booted_hosts import BootedHost
from tests.runbook.targets.servers_supervisor import USER, supervisord
from tests.runbook.targets.workers.servers_docker import PROJECT, SERVICE, Daemon, docker
from tests.runbook.targets.workers.servers_kubernetes import NAMESPACE, OPERATOR, READER, Cluster, kubernetes

HEALTHY = """[Unit]
Description=Initial processing, replica %i
[Service]
ExecStart=/bin/sleep 1000
[Install]
WantedBy=multi-user.target
"""
_SUPERVISOR = """
[supervisord]
logfile={home}/supervisord.log
pidfile={home}/supervisord.pid
{user}
[unix_http_server]
file={home}/s.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[program:{service}]
command=sleep 1000
process_name=replica-%(process_num)02d
numprocs=5
numprocs_start=1
autostart=false
startsecs=0
"""
#: The site's own: a process for each number, a file with its id.
_SCRIPT = """#!/bin/sh
home=$1 verb=$2 what=$3 to=$4
up() { [ -f "$home/$1.pid" ] && kill -0 "$(cat "$home/$1.pid")" 2>/dev/null; }
begin() { up "$1" || { sleep 1000 >/dev/null 2>&1 & echo $! >"$home/$1.pid"; }; }
end() { up "$1" && kill "$(cat "$home/$1.pid")"; rm -f "$home/$1.pid"; }
echo "$verb $what $to" >>"$home/asked"
case $verb in
list)
  sep='['
  for n in 1 2 3 4 5; do
    state=STOPPED pid=null
    up $n && state=RUNNING pid=$(cat "$home/$n.pid")
    printf '%s{"service":"SERVICE","name":"SERVICE-%s","state":"%s","pid":%s,"host":"local"}' "$sep" $n $state $pid
    sep=,
  done
  echo ']' ;;
start) begin "${what##*-}" ;;
stop) end "${what##*-}" ;;
scale) for n in 1 2 3 4 5; do if [ $n -le "$to" ]; then begin $n; else end $n; fi; done ;;
esac
"""


@dataclass(frozen=True)
class Ground:
    """A process manager to try the contract on. ``reset`` brings two replicas back; ``changes`` counts what changed."""

    name: str
    make: Callable[..., Workers]
    reset: Callable[[], None]
    changes: Callable[[], int]
    at_least: Callable[[], int] = lambda: 1
    numbered: bool = False

    def workers(self, **settings: Any) -> Workers:
        """The workers with these settings; five replicas may run."""
        return self.make(**{"queue": "muses.recepcion", "max_replicas": 5, **settings})


def do(workers: Workers, operation: str, fingerprint: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    step = Step(
        what=text("a step"), target="workers", operation=operation, arguments=arguments, fingerprint=fingerprint or {}
    )
    return workers.perform(step)


def own(workers: Workers) -> list[Replica]:
    return [replica for replica in workers.replicas() if replica.service == SERVICE]


def up(workers: Workers) -> list[Replica]:
    return [replica for replica in own(workers) if replica.well]


def number(workers: Workers) -> Service:
    return next(service for service in workers.services() if service.name == SERVICE)


def asked_for(workers: Workers) -> dict[str, Any]:
    """A scale step's fingerprint as a plan has it."""
    known = number(workers)
    return {"running": known.wanted, **({"version": known.version} if known.version else {})}


def made(settings: WorkersSettings, hosts: HostsSettings | None = None) -> Workers:
    return Workers("workers", settings, environment="lab", hosts=hosts)


def by_names(names: Sequence[str], make: Callable[..., Workers]) -> Callable[[], None]:
    """Bring the first two up and the others down, with the adapter's own means."""

    def reset() -> None:
        workers = make(queue="q", max_replicas=5)
        for replica in own(workers):
            wanted = replica.name in names
            if wanted != (replica.state == "RUNNING"):
                do(workers, "start" if wanted else "stop", name=replica.name)

    return reset


@contextmanager
def own_connections() -> Iterator[None]:
    """A private folder for ssh's open connections, which are closed at the end: another run's hosts are others."""
    folder = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_RUNTIME_DIR", str(folder))
        yield
    for control in filter(Path.is_socket, folder.rglob("*")):
        subprocess.run(["ssh", "-O", "exit", "-S", str(control), "x"], capture_output=True, check=False)
    shutil.rmtree(folder)


@contextmanager
def on_supervisor(home: Path) -> Iterator[Ground]:
    with supervisord(home, _SUPERVISOR.format(home=home, user=USER, service=SERVICE)):

        def make(**settings: Any) -> Workers:
            return made(WorkersSettings(url=f"unix://{home}/s.sock", **settings))

        log = home / "supervisord.log"
        names = [f"{SERVICE}:replica-0{n}" for n in (1, 2)]
        yield Ground("supervisor", make, by_names(names, make), lambda: log.read_text().count("\n"))


@contextmanager
def on_systemd(hosts: tuple[BootedHost, ...]) -> Iterator[Ground]:
    """Two hosts, read as a user without any right; what changes goes through a command of the site."""
    for host in hosts:
        host.write(f"/etc/systemd/system/{SERVICE}@.service", HEALTHY)
        host.write("/usr/local/bin/como-operador", '#!/bin/sh\necho "$@" >>/run/asked\nexec "$@"\n', "755")
        host.run("systemctl daemon-reload; : >/run/asked")

    def make(**settings: Any) -> Workers:
        addresses = tuple(host.address for host in hosts)
        ways = HostsSettings(addresses=addresses, ssh_config=hosts[0].ssh_config)
        systemd = SystemdSettings(change_with=("/usr/local/bin/como-operador",))
        return made(WorkersSettings(kind="systemd", systemd=systemd, **settings), ways)

    names = [f"{host.name}:{SERVICE}@1" for host in hosts]
    try:
        yield Ground(
            "systemd",
            make,
            by_names(names, make),
            lambda: sum(int(host.run("grep -vcx true /run/asked")) for host in hosts),
        )
    finally:
        for host in hosts:
            host.run(
                f"systemctl stop '{SERVICE}@*.service'; rm -f /etc/systemd/system/{SERVICE}*; systemctl daemon-reload"
            )
            host.run(f"systemctl reset-failed '{SERVICE}*'")


@contextmanager
def on_commands(home: Path, *, scale: bool) -> Iterator[Ground]:
    script = home / "replicas.sh"
    script.write_text(_SCRIPT.replace("SERVICE", SERVICE))
    script.chmod(0o755)
    call = (str(script), str(home))
    one = {"start": (*call, "start", "{name}"), "stop": (*call, "stop", "{name}")}
    all_of = {"scale": (*call, "scale", "{service}", "{to}")} if scale else {}

    def make(**settings: Any) -> Workers:
        return made(
            WorkersSettings(kind="command", command=CommandSettings(list=(*call, "list"), **one, **all_of), **settings)
        )

    def changes() -> int:
        return sum(not line.startswith("list") for line in (home / "asked").read_text().splitlines())

    def reset() -> None:
        subprocess.run([*call, "scale", SERVICE, "2"], check=True)

    try:
        yield Ground("command with scale" if scale else "command", make, reset, changes, numbered=scale)
    finally:
        subprocess.run([*call, "scale", SERVICE, "0"], check=True)


@contextmanager
def on_docker(home: Path, *, project: str) -> Iterator[tuple[Ground, Daemon]]:
    with docker(home / "d.sock") as (daemon, _):

        def make(**settings: Any) -> Workers:
            given = {"url": f"unix://{home}/d.sock", "docker": DockerSettings(project=project), **settings}
            return made(WorkersSettings(kind="docker", **given))

        def changes() -> int:
            return sum(not request.startswith("GET") for request in daemon.requests)

        name = "compose" if project else "swarm"
        least: Callable[[], int] = lambda: 1 if project else daemon.fewest  # noqa: E731
        yield Ground(name, make, daemon.reset, changes, least, numbered=not project), daemon


@contextmanager
def on_kubernetes(home: Path) -> Iterator[tuple[Ground, Cluster]]:
    with kubernetes(home) as (cluster, url, authority):
        for name, token in (("lector", READER), ("operador", OPERATOR)):
            (home / name).write_text(f"{token}\n")

        def make(**settings: Any) -> Workers:
            tokens = {"token": Secret(file=home / "lector"), "operator_token": Secret(file=home / "operador")}
            own = KubernetesSettings(namespace=NAMESPACE, cafile=authority, **tokens)
            return made(WorkersSettings(kind="kubernetes", **{"url": url, "kubernetes": own, **settings}))

        def changes() -> int:
            return sum(not r.startswith("GET") and "accessreview" not in r for r in cluster.requests)

        yield Ground("kubernetes", make, cluster.reset, changes, lambda: cluster.fewest, numbered=True), cluster


COMPOSE = PROJECT
