"""Rows judged on threads of this process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from runbook.job import Job
from runbook.text import Text


class Home:
    """Daemon threads, so that a target that never answers cannot keep the process; as many as jobs, up to ``most``.

    A thread ends when nothing is left to do: no run leaves one behind.
    """

    def __init__(self, find_out: Callable[[Job], None], most: int) -> None:
        self._find_out, self._most = find_out, most
        self._guard = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._threads = 0
        self.trouble: Text | None = None

    def begin(self, job: Job) -> None:
        """Have it done by a thread of its own, or by the first that is free."""
        with self._guard:
            self._waiting.append(job)
            if self._threads == self._most:
                return
            self._threads += 1
        threading.Thread(target=self._work, name=f"row {job.row.id}", daemon=True).start()

    def all_begun(self) -> None:
        """Nothing is held back anyway."""

    def close(self) -> None:
        """Begin none of what waits still: those rows are late."""
        with self._guard:
            self._waiting.clear()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._find_out(job)

    def _next(self) -> Job | None:
        with self._guard:
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None
