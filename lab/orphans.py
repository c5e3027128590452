"""The processes of a lab on this machine, found by themselves: who started them may be dead.

They carry the lab's mark in their environment. Only a backend of PostgreSQL does not: it writes its title there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError
from lab.place import Place

MARK = "MUSES_LAB_MARK"

_GRACE = 3.0  # seconds between asking a process to end and ending it, and then until it must be gone
_POLL = 0.05


def of(place: Place) -> list[int]:
    """The pids of the lab's living processes; empty when it is down. Reads only."""
    return [pid for pid in _pids() if pid != os.getpid() and _belongs(place, pid)]


def end(place: Place) -> None:
    """Ask them to end, then end them; returns when none is left. Raises LabError naming those that will not end."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _GRACE
        while (pids := of(place)) and time.monotonic() < deadline:
            _send(how, pids)
            time.sleep(_POLL)
    if left := of(place):
        raise LabError(f"no terminan los procesos {left}")


def _send(how: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal())


def _belongs(place: Place, pid: int) -> bool:
    process = Path("/proc", str(pid))
    try:
        if f"{MARK}={place.mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
            return _lives(process)
        in_data = (process / "cwd").readlink().parent == place.home / "postgres"  # "data", or a draft of it
        return in_data and (process / "exe").readlink().name == "postgres"
    except OSError:  # it ended meanwhile, or is another user's
        return False


def _lives(process: Path) -> bool:
    """A zombie has ended: it only waits for its parent to notice."""
    return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
