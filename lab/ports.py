"""The TCP ports of a lab: chosen free, all on 127.0.0.1."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields

from lab.errors import LabError

LOOPBACK = "127.0.0.1"

_RANGE = range(20_000, 32_000)  # below the range from which the kernel takes ports for outgoing connections


@dataclass(frozen=True)
class Ports:
    """One port for each listener."""

    postgres: int
    amqp: int
    management: int
    distribution: int
    storage: int


def free_ports(wanted: Ports | None = None) -> Ports:
    """The wanted ports as far as they are free, others for the rest. Raises LabError where none is to be had."""
    names = [field.name for field in fields(Ports)]
    with ExitStack() as held:  # all are held until all are chosen, so that they differ
        return Ports(**{name: _held_port(held, getattr(wanted, name, None)) for name in names})


def _held_port(held: ExitStack, wanted: int | None) -> int:
    for port in _candidates(wanted):
        with suppress(OSError):
            listener = held.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((LOOPBACK, port))
            listener.listen()
            return port
    raise LabError("no hay puertos libres en 127.0.0.1")


def _candidates(wanted: int | None) -> Iterator[int]:
    if wanted is not None:
        yield wanted
    for _ in range(1000):
        yield secrets.choice(_RANGE)
