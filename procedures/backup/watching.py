"""Who watches a backup or a restore, and how it is told of bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from runbook.text import Text

#: Hears how many bytes more are done.
Tell = Callable[[int], None]


class Watch(Protocol):
    """Who watches."""

    def stepped(self, what: Text, total: int | None = None) -> None:
        """A step begins; ``total`` is how many bytes it is about to go through, where that is known."""

    def moved(self, done: int) -> None:
        """How many bytes of the step are done."""


class Unwatched:
    """Nobody watches."""

    def stepped(self, what: Text, total: int | None = None) -> None:
        """Say nothing."""

    def moved(self, done: int) -> None:
        """Say nothing."""


def ignored(seen: object) -> None:
    """Nobody asked what was seen, or done."""


def telling(moved: Callable[[int], None]) -> Tell:
    """Adds up what is done for who watches."""
    done = 0

    def tell(bytes: int) -> None:
        nonlocal done
        done += bytes
        moved(done)

    return tell


def at_intervals(tell: Tell, every: int, look: Callable[[], None]) -> Tell:
    """Tells on, and looks around after ``every`` bytes; ``look`` may raise."""
    since = 0

    def told(bytes: int) -> None:
        nonlocal since
        tell(bytes)
        since += bytes
        if since >= every:
            since = 0
            look()

    return told
