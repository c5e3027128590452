"""What a server logs beside statements: waits for locks, temporary files, autovacuum, checkpoints, errors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from runbook.targets.slow_log.counted import Shape

#: English and Spanish; the server's own words, from its catalogues of messages.
_EVENT = re.compile(
    r"(?:temporary file: path|archivo temporal: ruta) .*\D(?P<temp>\d+)\Z"
    r"|(?:process|el proceso) \d+ (?:still waiting for|aún espera) (?P<lock>\w+)"
    r"|(?:process|el proceso) \d+ (?:acquired|adquirió) \w+ .*?(?P<waited>\d+[.,]\d+) ms"
    r"|(?:automatic (?:aggressive )?vacuum(?: to prevent wraparound)? of table"
    r"|vacuum (?:agresivo )?automático(?: para prevenir wraparound)? de la tabla) [\"«](?P<vacuum>[^\"»]+)"
    r"|(?:automatic analyze of table|análisis automático de la tabla) [\"«](?P<analyze>[^\"»]+)"
    r"|(?:checkpoint|restartpoint) (?:complete|completado): \D*(?P<buffers>\d+)"
    r"|(?P<frequent>checkpoints are occurring too frequently|los puntos de control están ocurriendo con demasiada)"
    r"|(?P<deadlock>deadlock detected|se ha detectado un deadlock)"
    r"|(?P<locked>canceling statement due to lock timeout|cancelando la sentencia .*candados)"
    r"|(?P<late>canceling statement due to statement timeout|cancelando la sentencia .*espera de sentencias)",
    re.DOTALL,
)
_ELAPSED = re.compile(r"(?:elapsed|transcurrido): (\d+[.,]\d+) s")
_TOTAL = re.compile(r"total=(\d+[.,]\d+) s")


class Spent:
    """How often, and how many seconds."""

    __slots__ = ("count", "longest", "total")

    def __init__(self) -> None:
        self.count, self.total, self.longest = 0, 0.0, 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        """One more time, or several of which this is the sum."""
        self.count += count
        self.total += seconds
        self.longest = max(self.longest, seconds)

    def merge(self, other: Spent) -> None:
        """Add another's."""
        longest = max(self.longest, other.longest)
        self.add(other.total, other.count)
        self.longest = longest


class Events:
    """The counts of everything that is no statement."""

    def __init__(self) -> None:
        self.waits: Counter[str] = Counter()
        self.waited = 0.0  # milliseconds
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.maintenance: dict[tuple[str, str], Spent] = {}
        self.checkpoints = Spent()

    def note(self, level: str, message: str, *, failed: bool) -> Callable[[Shape], None] | None:
        """Count a message; gives what is to be done with the statement that it belongs to, when that is known."""
        if failed:
            self.errors[level] += 1
        found = _EVENT.match(message)
        act = None if found is None else getattr(self, f"_{found.lastgroup}")(found, message)
        return act or (_failed if failed else None)

    def merge(self, other: Events) -> None:
        """Add what another reader counted."""
        self.waits.update(other.waits)
        self.counts.update(other.counts)
        self.errors.update(other.errors)
        self.waited += other.waited
        self.checkpoints.merge(other.checkpoints)
        for key, spent in other.maintenance.items():
            self.maintenance.setdefault(key, Spent()).merge(spent)

    def _temp(self, found: re.Match[str], message: str) -> Callable[[Shape], None]:
        size = int(found["temp"])
        self.counts["temp_files"] += 1
        self.counts["temp_bytes"] += size

        def spilled(shape: Shape) -> None:
            shape.temp_files += 1
            shape.temp_bytes += size

        return spilled

    def _lock(self, found: re.Match[str], message: str) -> Callable[[Shape], None]:
        self.waits[found["lock"]] += 1
        return _waits

    def _waited(self, found: re.Match[str], message: str) -> Callable[[Shape], None]:
        milliseconds = _number(found["waited"])
        self.waited += milliseconds

        def waited(shape: Shape) -> None:
            shape.waited += milliseconds

        return waited

    def _vacuum(self, found: re.Match[str], message: str) -> None:
        self._maintained(found["vacuum"], "vacuum", message)

    def _analyze(self, found: re.Match[str], message: str) -> None:
        self._maintained(found["analyze"], "analyze", message)

    def _maintained(self, table: str, kind: str, message: str) -> None:
        elapsed = _ELAPSED.search(message)
        self.maintenance.setdefault((table, kind), Spent()).add(_number(elapsed[1]) if elapsed else 0.0)

    def _buffers(self, found: re.Match[str], message: str) -> None:
        total = _TOTAL.search(message)
        self.counts["buffers"] += int(found["buffers"])
        self.checkpoints.add(_number(total[1]) if total else 0.0)

    def _frequent(self, found: re.Match[str], message: str) -> None:
        self.counts["too_frequent"] += 1

    def _deadlock(self, found: re.Match[str], message: str) -> None:
        self.counts["deadlocks"] += 1

    def _locked(self, found: re.Match[str], message: str) -> None:
        self.counts["lock_timeouts"] += 1

    def _late(self, found: re.Match[str], message: str) -> None:
        self.counts["statement_timeouts"] += 1


def _waits(shape: Shape) -> None:
    shape.waits += 1


def _failed(shape: Shape) -> None:
    shape.failures += 1


def _number(words: str) -> float:
    return float(words.replace(",", "."))
