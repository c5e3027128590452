"""What is counted of one shape while logs are being read: small enough to be kept for thousands of shapes."""

from __future__ import annotations

import math
from array import array
from collections import Counter

#: Times kept as they are before they are folded into steps of 1 %.
_KEPT = 4096
_STEP = math.log(1.01)


class Shape:
    """The statements of one shape. Times are in milliseconds; ``worst`` is the slowest statement as it was logged."""

    __slots__ = (
        "_count", "_total", "failures", "folded", "longest", "preparing", "temp_bytes", "temp_files", "text", "times",
        "waited", "waits", "worst",
    )  # fmt: skip

    def __init__(self, text: str) -> None:
        self.text, self.worst = text, ""
        self._count = self.waits = self.temp_files = self.temp_bytes = self.failures = 0
        self._total = self.preparing = self.waited = 0.0
        self.longest = -1.0
        self.times = array("d")
        self.folded: Counter[int] = Counter()

    @property
    def count(self) -> int:
        """Calls."""
        return self._count + len(self.times)

    @property
    def total(self) -> float:
        """The time of all calls."""
        return self._total + sum(self.times)

    def add(self, milliseconds: float, statement: str) -> None:
        """One call."""
        times = self.times
        times.append(milliseconds)
        if milliseconds > self.longest:
            self.longest, self.worst = milliseconds, statement
        if len(times) >= _KEPT:
            self._fold()

    def merge(self, other: Shape) -> None:
        """Add what another reader counted of the same shape."""
        if other.longest > self.longest:
            self.longest, self.worst = other.longest, other.worst
        for name in ("_count", "_total", "preparing", "waits", "waited", "temp_files", "temp_bytes", "failures"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.folded.update(other.folded)
        self.times.extend(other.times)
        if len(self.times) >= _KEPT:
            self._fold()

    def percentile(self, share: float) -> float:
        """The time that this share of the calls did not exceed: exact for few calls, within 1 % for many."""
        if not self.folded:
            ordered = sorted(self.times)
            return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
        self._fold()
        wanted, seen = share * sum(self.folded.values()), 0
        for step in sorted(self.folded):
            seen += self.folded[step]
            if seen >= wanted:
                return min(math.exp(step * _STEP), self.longest)
        return self.longest

    def _fold(self) -> None:
        self._count, self._total, log = self.count, self.total, math.log
        self.folded.update(math.ceil(log(max(value, 1e-3)) / _STEP) for value in self.times)
        del self.times[:]
