"""What programs took while they ran: processor seconds and peak memory, by the name of the program."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.purge.outcome import Outcome

#: Between two looks, in seconds; the kernel keeps peaks and sums, so only what a program does after the last is lost.
LOOK = 0.02
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Measured(Outcome):
    """An outcome with the peak memory of each program in bytes, the sum where several of a name ran at once."""

    peaks: dict[str, int] = field(default_factory=dict)


class Looking:
    """Looks at programs and at all that they start, on a thread, until ``close``."""

    def __init__(self, programs: dict[int, str]) -> None:
        self._programs = programs
        self._peaks: dict[tuple[str, int], int] = {}
        self._seconds: dict[tuple[str, int], float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    @property
    def peaks(self) -> dict[str, int]:
        """Bytes by name."""
        found: dict[str, int] = {}
        for (name, _), peak in self._peaks.items():
            found[name] = max(found.get(name, 0), peak)
        return found

    @property
    def seconds(self) -> dict[str, float]:
        """Processor seconds by name."""
        found: dict[str, float] = {}
        for (name, _), spent in self._seconds.items():
            found[name] = found.get(name, 0.0) + spent
        return found

    def _look_on(self) -> None:
        while not self._ended.wait(LOOK):
            for pid, name in self._programs.items():
                self._look_at(pid, name)

    def _look_at(self, pid: int, name: str | None) -> None:
        """A process and its children; one that is gone meanwhile keeps what was seen of it."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            status = Path(f"/proc/{pid}/status").read_text()
            tasks = list(Path(f"/proc/{pid}/task").iterdir())
            children = [child for task in tasks for child in (task / "children").read_text().split()]
        except OSError:
            return
        key = name or stat.partition("(")[2].rpartition(")")[0], pid
        spent = sum(map(int, stat.rpartition(")")[2].split()[11:13])) / _TICKS
        peak = next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:")), 0)
        self._seconds[key] = max(self._seconds.get(key, 0.0), spent)
        self._peaks[key] = max(self._peaks.get(key, 0), peak)
        for child in children:
            self._look_at(int(child), None)
