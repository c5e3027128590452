"""Where a service's log is, as one line of the site file: a path pattern, or an address with its way of reading."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

#: What people are shown when an address is none of these.
FORMS = (
    "/path/*.log, ssh://[user@]host[:port]/path/*.log, journald://[host]?unit=name@*.service, "
    "docker://[/socket]?name=… or ?label=…, docker+https://host:2376?label=…, k8s://namespace?selector=…, "
    "k8s+https://server:6443/namespace?selector=…, loki+https://server?query={…}, es+https://server/index?query=…"
)
_SCHEME = re.compile(r"[a-z][a-z0-9+]*://", re.IGNORECASE)
_SOCKET = "/var/run/docker.sock"


class Files(NamedTuple):
    """Files of this machine, by their patterns."""

    patterns: tuple[str, ...]


class HostFiles(NamedTuple):
    """Files of a host, by pattern. ``host`` may hold user and port."""

    host: str
    pattern: str


class Journal(NamedTuple):
    """Units in the journal of a host; an empty host is this machine."""

    host: str
    units: tuple[str, ...]


class Docker(NamedTuple):
    """Containers of a Docker Engine, at a socket's path or a URL, by the engine's own filters (name, label)."""

    engine: str
    filters: tuple[tuple[str, str], ...]


class Pods(NamedTuple):
    """Pods of a namespace by label selector. ``server`` is empty inside the cluster."""

    server: str
    namespace: str
    selector: str


class Loki(NamedTuple):
    """A stream selector of LogQL at a server's URL, and the label that tells replicas apart."""

    server: str
    query: str
    replica: str


class Elastic(NamedTuple):
    """An index pattern of Elasticsearch or OpenSearch, a query string in Lucene's syntax, and the field of the time."""

    server: str
    indices: str
    query: str
    time: str


Source = Files | HostFiles | Journal | Docker | Pods | Loki | Elastic


def parsed(address: str) -> Source:
    """The source that an address names. Raises ValueError saying what an address may be."""
    if not _SCHEME.match(address):
        return Files((address,))
    try:
        return _of_url(address)
    except (KeyError, ValueError) as error:
        said = f"{_without_login(address)!r} is no source of logs ({error}); it may be: {FORMS}"
        raise ValueError(said) from None


def sources_of(addresses: Iterable[str]) -> list[Source]:
    """The sources of one service. Patterns of this machine are one: a file that two of them name is read once."""
    found = [parsed(address) for address in addresses]
    patterns = tuple(pattern for one in found if isinstance(one, Files) for pattern in one.patterns)
    others: list[Source] = [one for one in found if not isinstance(one, Files)]
    return [Files(patterns), *others] if patterns else others


def _of_url(address: str) -> Source:
    url = urlsplit(address)
    options = dict(parse_qsl(url.query, strict_parsing=bool(url.query)))
    if url.password is not None:
        raise ValueError("a password belongs into logs.access, as a secret")
    kind, _, over = url.scheme.partition("+")
    if url.port == 0 or (over and not url.hostname):  # to ask for the port finds out whether it is one
        raise ValueError("a host is missing")
    server = f"{over}://{url.netloc}"
    if url.fragment or (kind == "ssh" and url.query):
        raise ValueError("write ? and # of a path as %3F and %23")
    match kind, over:
        case "ssh", "":
            return HostFiles(_needed(url.netloc, "a host"), _needed(unquote(url.path), "an absolute path"))
        case "journald", "":
            return Journal(url.netloc, tuple(value for _, value in _filters(url.query, "unit")))
        case "docker", "":
            return Docker(unquote(url.path) or _SOCKET, _filters(url.query, "name", "label"))
        case "docker", "http" | "https":
            return Docker(server, _filters(url.query, "name", "label"))
        case "k8s", "":
            return Pods("", _needed(url.netloc, "a namespace"), _one(options, "selector"))
        case "k8s", "http" | "https":
            return Pods(server, _needed(url.path.strip("/"), "a namespace"), _one(options, "selector"))
        case "loki", "http" | "https":
            replica = options.pop("replica", "instance")
            return Loki(server + url.path.rstrip("/"), _one(options, "query"), replica)
        case "es", "http" | "https":
            time = options.pop("time", "@timestamp")
            query = _one(options, "query") if options else "*"
            return Elastic(server, _needed(url.path.strip("/"), "an index"), query, time)
    raise ValueError("its scheme is unknown")


def _filters(query: str, *known: str) -> tuple[tuple[str, str], ...]:
    found = tuple(parse_qsl(query))
    for name, _ in found:
        if name not in known:
            raise ValueError(f"{name}= is unknown")
    if not found:
        raise ValueError(f"{'= or '.join(known)}= is missing")
    return found


def _one(options: dict[str, str], name: str) -> str:
    """The only option that there may be."""
    value = options.pop(name, "")
    if options:
        raise ValueError(f"{next(iter(options))}= is unknown")
    return _needed(value, f"{name}=")


def _needed(value: str, what: str) -> str:
    if not value:
        raise ValueError(f"{what} is missing")
    return value


def _without_login(address: str) -> str:
    return re.sub(r"(?<=://)[^/@]*@", "", address)
