"""A worker of a cluster that dies in the middle of a batch; importable by the workers themselves."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from procedures.purge import milestones


def die_at(name: str, mark: Path) -> None:
    """The first worker to come to the milestone for the second time dies of it, and leaves the mark; only that one."""
    passed = 0

    def reached(milestone: str) -> None:
        nonlocal passed
        passed += milestone == name
        if passed == 2 and milestone == name:
            try:
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            os.kill(os.getpid(), signal.SIGKILL)

    milestones.reached = reached  # type: ignore[assignment]
