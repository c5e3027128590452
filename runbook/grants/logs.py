"""What lets the reader read the logs, for each kind of place they lie in, and ask Prometheus."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Literal

from runbook.grants.hosts import login_of
from runbook.grants.needs import Need
from runbook.settings import EnvironmentSettings
from runbook.settings.log_sources import Docker, Elastic, Files, HostFiles, Journal, Loki, Pods, Source, sources_of

Pair = tuple[str, str]


def commands(settings: EnvironmentSettings, identity: Literal["reader", "operator"], need: Need) -> Pair:
    """What gives and what takes read access to the database's log, or to those of all services."""
    if settings.logs is None:
        return "", ""
    named = {"database": settings.logs.database} if need.of == "database" else settings.logs.services
    sources = [source for addresses in named.values() for source in sources_of(addresses)]
    pairs = list(dict.fromkeys(pair for source in sources for pair in _pairs(source, settings.schedule.user)))
    return "\n".join(give for give, _ in pairs), "\n".join(take for _, take in pairs)


def prometheus(settings: EnvironmentSettings) -> Pair:
    """Prometheus itself knows no rights: what stands before it lets us in."""
    if settings.prometheus is None:
        return "", ""
    asks = "GET and POST on /api/v1/query and /api/v1/query_range"
    return f"# at the proxy before {settings.prometheus.url}: a token, or a login, that may {asks}", ""


def _pairs(source: Source, user: str) -> Iterator[Pair]:
    match source:
        case Files(patterns=patterns):
            for pattern in patterns:
                yield _acl(pattern, user, "")
        case HostFiles(host=host, pattern=pattern):
            who, where = login_of(f"ssh://{host}", user)
            yield _acl(pattern, who, where)
        case Journal(host=host):
            who, where = login_of(f"ssh://{host}", user) if host else (user, "")
            there = f"  # on {where or 'this machine'}"
            yield f"usermod -aG systemd-journal {who}{there}", f"gpasswd -d {who} systemd-journal{there}"
        case Docker(engine=engine) if engine.startswith("/"):
            yield f"usermod -aG docker {user}  # who may use the socket is root there", f"gpasswd -d {user} docker"
        case Docker(engine=engine):
            yield f"# at {engine}: a client's certificate; the daemon knows no smaller right", ""
        case Pods(namespace=namespace):
            yield _pods(namespace)
        case Loki(server=server):
            yield f"# at {server}: a token that may GET /loki/api/v1/query_range", ""
        case Elastic(server=server, indices=indices):
            body = json.dumps({"indices": [{"names": indices.split(","), "privileges": ["read"]}]})
            role = f"{server}/_security/role/muses_runbook"
            give = f"curl -X PUT {role} -H 'Content-Type: application/json' -d {shlex.quote(body)}"
            yield give, f"curl -X DELETE {role}"


def _acl(pattern: str, user: str, host: str) -> Pair:
    """Files come and go by rotation: the folder's default lets new ones be read."""
    folder = shlex.quote(str(PurePosixPath(pattern).parent))
    there = f"  # on {host or 'this machine'}"
    give = f"setfacl -m u:{user}:rX,d:u:{user}:rX {folder} && setfacl -m u:{user}:r {_glob(pattern)}{there}"
    return give, f"setfacl -x u:{user},d:u:{user} {folder} && setfacl -x u:{user} {_glob(pattern)}{there}"


def _glob(pattern: str) -> str:
    """A pattern that the shell still expands: only what is no wildcard is quoted."""
    return "".join(
        letter if letter in "*?[]" else shlex.quote(letter) if letter in " $`\"'\\&;|<>()" else letter
        for letter in pattern
    )


def _pods(namespace: str) -> Pair:
    space = shlex.quote(namespace)
    give = (
        f"kubectl -n {space} create role muses-runbook-logs --verb=get,list --resource=pods,pods/log\n"
        f"kubectl -n {space} create rolebinding muses-runbook-logs --role=muses-runbook-logs"
        f" --serviceaccount={space}:muses-runbook-reader"
    )
    return give, f"kubectl -n {space} delete rolebinding,role muses-runbook-logs"
