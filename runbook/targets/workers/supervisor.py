"""Supervisor by its own XML-RPC, over its Unix socket or HTTP.

It has no identity that only reads: whoever may open its socket may start and stop. So reading is kept apart here: it
calls ``get…`` methods only.
"""

from __future__ import annotations

import re
import xmlrpc.client
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError

import msgspec

from runbook import redact
from runbook.errors import ProbeError, ProbeFailure
from runbook.learnt import learnt
from runbook.targets.network import unix_connection, unreachable
from runbook.targets.rights import Right
from runbook.targets.workers.replicas import UP, Named, Replica
from runbook.text import text

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

#: Seconds that a connection, and each read of an answer, may take.
PATIENCE = 2.5
#: Supervisor's fault code for a process that runs, or is being started, already.
ALREADY_STARTED = 60
NOT_RUNNING = 70


_MEND = (
    "in supervisord.conf, [unix_http_server]: chmod=0770 and chown=root:GROUP with a group of ours (or username and"
    " password of [inet_http_server] in the url of the site file); then restart supervisord"
)


class ProcessInfo(msgspec.Struct, frozen=True):
    """What supervisor says of one process; times are seconds since 1970 by its clock, 0 for never."""

    group: str
    name: str
    statename: str
    pid: int
    now: int
    start: int
    stop: int
    spawnerr: str = ""
    description: str = ""


class ConfigInfo(msgspec.Struct, frozen=True):
    """How long a process takes to count as started, and to be killed when it will not stop."""

    group: str
    name: str
    startsecs: int = 1
    stopwaitsecs: int = 10


class Supervisor(Named):
    """Supervisor at ``unix:///path`` or ``http://user:password@host:port``; each call is a connection of its own."""

    def __init__(self, target: str, url: str) -> None:
        self._target, self._url = target, urlsplit(url)
        if self._url.password:
            redact.learn(self._url.password)

    @property
    def address(self) -> str:
        """Where it listens, for people: without user and password."""
        if self._url.scheme == "unix":
            return f"unix://{self._url.path}"
        return f"{self._url.scheme}://{self._url.hostname}:{self._url.port or 9001}"

    def replicas(self) -> tuple[Replica, ...]:
        """Every declared process, running or not, in order of group and number. Reads only."""
        found = self._called(lambda rpc: rpc.supervisor.getAllProcessInfo(), tuple[ProcessInfo, ...])
        return tuple(_replica(info) for info in sorted(found, key=lambda info: (info.group, _numbers(info.name))))

    def patience(self, name: str) -> timedelta:
        """The longer of the times it may take to start and to stop, as it is declared. Reads only."""
        found = self._called(lambda rpc: rpc.supervisor.getAllConfigInfo(), tuple[ConfigInfo, ...])
        declared = next((c for c in found if f"{c.group}:{c.name}" == name), ConfigInfo(group="", name=""))
        return timedelta(seconds=max(declared.startsecs, declared.stopwaitsecs))

    def rights(self) -> tuple[Right, ...]:
        """Whether we may call it at all: it knows no finer right. Reads only."""
        try:
            self.replicas()
            held = True
        except ProbeError as error:
            if error.kind is not ProbeFailure.DENIED:
                raise
            held = False
        what = text("calls supervisor at {where}, to read and to change", where=self.address)
        return tuple(Right(what=what, held=held, mend=_MEND, identity=who) for who in ("reader", "operator"))

    def start(self, name: str) -> None:
        """Ask for a process to be started and return at once; one that is up already stays as it is."""
        self._asked(lambda rpc: rpc.supervisor.startProcess(name, False), ALREADY_STARTED)

    def stop(self, name: str) -> None:
        """Ask for a process to be stopped and return at once; one that is down already stays as it is."""
        self._asked(lambda rpc: rpc.supervisor.stopProcess(name, False), NOT_RUNNING)

    def _asked(self, call: Callable[[Any], Any], harmless: int) -> None:
        try:
            self._called(call, bool)
        except ProbeError as error:
            if error.code != str(harmless):
                raise

    def _called(self, call: Callable[[Any], Any], kind: type[T]) -> T:
        with self._failures(), self._proxy() as rpc:
            return msgspec.convert(call(rpc), learnt(kind))

    def _proxy(self) -> xmlrpc.client.ServerProxy:
        path = self._url.path if self._url.scheme == "unix" else None
        where = "http://localhost" if path else self._url.geturl()
        return xmlrpc.client.ServerProxy(where, transport=_Transport(path))

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """What a call can fail as, as ProbeError; ``code`` is supervisor's fault or the HTTP status."""
        try:
            yield
        except xmlrpc.client.Fault as fault:
            said = text("supervisor refuses: {fault}", fault=fault.faultString)
            raise ProbeError(self._target, ProbeFailure.BROKEN, said, code=str(fault.faultCode)) from fault
        except xmlrpc.client.ProtocolError as error:
            denied = error.errcode in (401, 403)
            said = text("{where} answered HTTP {status}", where=self.address, status=error.errcode)
            kind = ProbeFailure.DENIED if denied else ProbeFailure.BROKEN
            raise ProbeError(self._target, kind, said, code=str(error.errcode)) from error
        except (xmlrpc.client.ResponseError, ExpatError, msgspec.ValidationError) as error:
            said = text("{where} answered something else than supervisor", where=self.address)
            raise ProbeError(self._target, ProbeFailure.BROKEN, said) from error
        except (OSError, HTTPException) as error:
            raise unreachable(self._target, self.address, error) from error


class _Transport(xmlrpc.client.Transport):
    """XML-RPC with a deadline at the socket, which may be a Unix one."""

    def __init__(self, path: str | None) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> HTTPConnection:
        address, self._extra_headers, _ = self.get_host_info(host)
        connection = HTTPConnection(address, timeout=PATIENCE) if self._path is None else _UnixConnection(self._path)
        self._connection = host, connection  # the base class closes it
        return connection


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = unix_connection(self._path, PATIENCE)


def _replica(info: ProcessInfo) -> Replica:
    began = info.start if info.statename in UP else info.stop
    return Replica(
        service=info.group,
        name=f"{info.group}:{info.name}",
        running=info.statename == "RUNNING",
        state=info.statename,
        since=timedelta(seconds=max(0, info.now - began)) if began else None,
        pid=info.pid or None,
        problem="" if info.statename in UP else info.spawnerr or info.description,
    )


def _numbers(name: str) -> list[tuple[int, str]]:
    """Names in the order people count: replica-2 before replica-10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
