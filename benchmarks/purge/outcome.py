"""What one way to purge took, and how much of what it should do it did."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """``rows`` of all tables in ``seconds``; ``parts`` are the seconds of its steps, in their order.

    ``processor`` are processor seconds by process. ``note`` says what is not as it looks, such as a slice that stands
    for the whole.
    """

    name: str
    rows: int = 0
    parts: dict[str, float] = field(default_factory=dict)
    note: str = ""
    processor: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """All steps, one after the other."""
        return sum(self.parts.values())

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds if self.seconds else 0.0

    @contextlib.contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add what passes meanwhile to that step."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.parts[part] = self.parts.get(part, 0.0) + time.perf_counter() - started
