"""systemd's units in its own words, and what they are in ours. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from runbook.targets.workers.replicas import Replica

#: What ``systemctl show`` is asked for. Times are of the monotonic clock, which nobody sets.
SHOWN = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "Job",
    "Result",
    "ExecMainStatus",
    "MainPID",
    "NRestarts",
    "InvocationID",
    "StateChangeTimestampMonotonic",
    "TimeoutStartUSec",
    "TimeoutStopUSec",
)
#: Name of the line beside the units that tells how long the host is up.
UP_TIME = "MusesUpTime"
#: An instance whose unit gives it for ever is given this long.
_FOR_EVER = timedelta(minutes=10)
_STATES = {
    "active": "RUNNING",
    "reloading": "RUNNING",
    "refreshing": "RUNNING",
    "activating": "STARTING",
    "deactivating": "STOPPING",
    "failed": "FATAL",
    "inactive": "STOPPED",
    "maintenance": "UNKNOWN",
}
_SPANS = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "min": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
    "month": 2629800,
    "y": 31557600,
}
_SPAN = re.compile(r"([\d.]+)(us|ms|min|month|s|h|d|w|y)")


class Unit(NamedTuple):
    """An instance, and how long it may take to start or stop."""

    replica: Replica
    patience: timedelta


def parsed(printed: str, host: str, services: tuple[str, ...]) -> list[Unit]:
    """The instances that the host has a unit file for, each once, in the order of services and numbers."""
    blocks = list(_blocks(printed))
    up = next((float(block[UP_TIME]) for block in blocks if UP_TIME in block), 0.0)
    there = {block["Id"]: block for block in blocks if block.get("LoadState") == "loaded" and "Id" in block}
    units = [(place, _unit(block, host, up)) for id, block in there.items() if (place := _place(id, services))]
    return [unit for _, unit in sorted(units, key=lambda pair: pair[0])]


def _place(id: str, services: tuple[str, ...]) -> tuple[int, int, str] | None:
    """Where a unit stands among the others; None for one of another service."""
    name, _, instance = id.removesuffix(".service").partition("@")
    if name not in services:
        return None
    return services.index(name), int(instance) if instance.isdecimal() else 0, instance


def _unit(block: dict[str, str], host: str, up: float) -> Unit:
    id, state = block["Id"].removesuffix(".service"), _state(block)
    changed = int(block.get("StateChangeTimestampMonotonic") or 0)
    pid = int(block.get("MainPID") or 0)
    replica = Replica(
        service=id.partition("@")[0],
        name=f"{host}:{id}",
        running=state == "RUNNING",
        state=state,
        since=timedelta(seconds=max(0.0, up - changed / 1e6)) if changed else None,
        pid=pid or None,
        problem=_problem(block, state),
        restarts=int(block.get("NRestarts") or 0),
        host=host,
        life=block.get("InvocationID", ""),
        keeper="systemd",
    )
    return Unit(replica, max(span(block.get("TimeoutStartUSec", "")), span(block.get("TimeoutStopUSec", ""))))


def _state(block: dict[str, str]) -> str:
    active, sub = block.get("ActiveState", ""), block.get("SubState", "")
    if sub == "auto-restart":
        return "BACKOFF"
    if active == "active" and sub == "exited":
        return "EXITED"
    queued = block.get("Job", "0") not in ("", "0")
    if queued and active in ("inactive", "failed"):
        return "STARTING"
    return _STATES.get(active, "UNKNOWN")


def _problem(block: dict[str, str], state: str) -> str:
    if state in ("RUNNING", "STOPPED", "STARTING") or block.get("Result") in ("", "success", None):
        return ""
    return f"{block['Result']}, status {block.get('ExecMainStatus', '?')}, {block.get('NRestarts', '?')} restarts"


def span(shown: str) -> timedelta:
    """A span of time as systemd shows it, ``1min 30s``; ``infinity`` is long enough."""
    if shown == "infinity":
        return _FOR_EVER
    return timedelta(seconds=sum(float(amount) * _SPANS[unit] for amount, unit in _SPAN.findall(shown)))


def _blocks(printed: str) -> Iterator[dict[str, str]]:
    for block in filter(None, re.split(r"\n\s*\n", printed.strip())):
        yield dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
