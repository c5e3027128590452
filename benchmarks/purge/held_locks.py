"""How long each transaction of the purge held the rows that it deleted, read from the server's own log."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.purge.ground import Ground

_TIMED = re.compile(r"duration: ([\d.]+) ms +(?:statement|execute [^:]*|fastpath[^:]*): (.*)", re.DOTALL)
#: Not VACUUM (TRUNCATE off), which keeps nobody from reading or writing.
_LOCKING = re.compile(
    r"\b(DELETE\s+FROM|LOCK\s+TABLE|(?<!\()TRUNCATE|DETACH\s+PARTITION|DROP\s+TABLE)\b.*\btbae", re.I | re.S
)
_ENDING = re.compile(r"\s*(COMMIT|ROLLBACK|END)\b", re.I)


@dataclass(frozen=True)
class Held:
    """Milliseconds that transactions held locks, from their first DELETE's start to their end."""

    transactions: int
    median: float
    longest: float


@contextlib.contextmanager
def logged(ground: Ground) -> Iterator[None]:
    """Every statement of the operator with its duration goes to the log meanwhile, without its values."""
    settings = {"log_min_duration_statement": "0", "log_parameter_max_length": "0"}
    with ground.admin("postgres") as admin:
        for name, value in settings.items():
            admin.execute(f"ALTER ROLE muses_operator SET {name} = {value}")
    try:
        yield
    finally:
        with ground.admin("postgres") as admin:
            for name in settings:
                admin.execute(f"ALTER ROLE muses_operator RESET {name}")


def held(logs: Path, database: str) -> Held:
    """What the log in that folder says of the operator's transactions in ``database``.

    One that never ends in a COMMIT of its own is as long as its statement.
    """
    spans: list[float] = []
    opened: dict[int, tuple[datetime, datetime]] = {}
    for pid, at, took, statement in _statements(logs, database):
        if _LOCKING.search(statement):
            since = opened[pid][0] if pid in opened else at - took
            opened[pid] = since, at
        elif pid in opened:
            since, last = opened.pop(pid)
            if _ENDING.match(statement):
                spans.append((at - since) / timedelta(milliseconds=1))
            elif re.match(r"\s*BEGIN\b", statement, re.I):
                spans.append((last - since) / timedelta(milliseconds=1))
            else:
                opened[pid] = since, last
    spans += [(last - since) / timedelta(milliseconds=1) for since, last in opened.values()]
    spans.sort()
    return Held(len(spans), spans[len(spans) // 2], spans[-1]) if spans else Held(0, 0.0, 0.0)


def _statements(logs: Path, database: str) -> Iterator[tuple[int, datetime, timedelta, str]]:
    for file in sorted(logs.glob("postgresql*.json"), key=lambda path: path.stat().st_mtime):
        for line in file.read_text(errors="replace").splitlines():
            entry = json.loads(line)
            if entry.get("user") != "muses_operator" or entry.get("dbname") != database:
                continue
            if found := _TIMED.match(entry.get("message", "")):
                at = datetime.strptime(entry["timestamp"].removesuffix(" UTC"), "%Y-%m-%d %H:%M:%S.%f")
                yield entry["pid"], at, timedelta(milliseconds=float(found[1])), found[2]
