"""The addresses that the site file names, and how safe the way to each is. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

from runbook.settings import BrokerSettings, DatabaseSettings
from runbook.settings.site import EnvironmentSettings
from runbook.targets.security.settings_walk import walked
from runbook.targets.security.structs import Endpoint, Wire

#: Tables of the site file in which an address is only mentioned.
_WORDS = ("waivers", "security", "policy", "limits")
_TLS = frozenset({"https", "amqps", "wss", "rediss", "tls"})
_PLAIN = frozenset({"http", "amqp", "ws", "tcp", "redis"})
_WIRES: dict[str, Wire] = {
    "verify-full": "verified",
    "verify-ca": "encrypted",
    "require": "encrypted",
    "prefer": "optional",
    "allow": "optional",
    "disable": "plain",
}


def endpoints(settings: EnvironmentSettings, setting: str) -> Iterator[Endpoint]:
    """Each address with its setting; sockets and files are none."""
    if settings.database is not None:
        yield from _database(settings.database, f"{setting}.database")
    if settings.broker is not None:
        yield _broker(settings.broker, f"{setting}.broker")
    mentions = tuple(f"{setting}.{table}" for table in _WORDS)
    for name, value in walked(settings, setting):
        if not name.startswith(mentions):
            yield from _url(name, value)


def is_local(host: str) -> bool:
    """Whether nothing goes over a network to get there: a socket's folder, or this machine by its own address."""
    try:
        return host.startswith(("/", "@")) or host in ("", "localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _database(settings: DatabaseSettings, setting: str) -> Iterator[Endpoint]:
    wire = _WIRES[settings.sslmode]
    where = f"{settings.host}:{settings.port}"
    yield Endpoint(setting=f"{setting}.sslmode", where=where, wire=wire, local=is_local(settings.host))
    for number, address in enumerate(settings.standbys):
        host, _, port = address.partition(":")
        where = f"{host}:{port or settings.port}"
        yield Endpoint(setting=f"{setting}.standbys[{number}]", where=where, wire=wire, local=is_local(host))


def _broker(settings: BrokerSettings, setting: str) -> Endpoint:
    wire: Wire = "verified" if settings.tls else "plain"
    where = f"{settings.host}:{settings.port}"
    return Endpoint(setting=f"{setting}.tls", where=where, wire=wire, local=is_local(settings.host))


def _url(name: str, value: Any) -> Iterator[Endpoint]:
    """``loki+https://…`` is as safe as what stands behind the plus."""
    if not isinstance(value, str) or "://" not in value:
        return
    try:
        url = urlsplit(value)
        where = _address(url)
    except ValueError:  # no address, whatever it is
        return
    scheme = url.scheme.rpartition("+")[2].lower()
    if scheme in _TLS | _PLAIN and url.hostname:
        wire: Wire = "verified" if scheme in _TLS else "plain"
        yield Endpoint(setting=name, where=where, wire=wire, local=is_local(url.hostname))


def _address(url: SplitResult) -> str:
    """Host and port, without who comes."""
    default = 443 if url.scheme.endswith("https") else 5671 if url.scheme == "amqps" else 80
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    return f"{host}:{url.port or default}"
