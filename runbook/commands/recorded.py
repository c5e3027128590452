"""What ``check --record`` writes and ``check --replay`` judges again."""

from __future__ import annotations

import importlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from runbook.cli import complain
from runbook.commands.driving import Watching
from runbook.errors import ReportError
from runbook.model import Run, worst_of
from runbook.recording import files
from runbook.recording.looks import Look, Recording, of_run
from runbook.recording.watched import Watched
from runbook.rows import Row
from runbook.site import Site
from runbook.text import text
from runbook.tongue import told


def load(file: Path) -> Recording:
    """A record, or the one that a stored run holds. Raises ReportError for a file that is neither, or is empty."""
    data = files.read(file)
    found = files.parsed(data, file)
    if found is None:
        run: Run = importlib.import_module("reports.canonical").load(data)
        found = of_run(run)
    if not found.looks:
        raise ReportError(text("{file}: the record holds no look", file=file))
    if found.cut:
        complain(told(text("{file}: the last look is not whole, and is left out", file=file)))
    return found


class Replayed(Watching):
    """Judges each look of a record again, in the order and at the times they were taken."""

    def __init__(self, site: Site, board: Any, chosen: tuple[Row, ...], record: Recording) -> None:
        self._looks = record.whole()
        self._look = next(self._looks)
        super().__init__(standing_at(site, self._look), board, chosen)
        self._watched = Watched(text("The readings of {run} are judged again: nobody is asked", run=record.head.run))

    def finished(self, run: Run) -> None:
        """Add a look to the run; the history of this replay remembers it for the next."""
        self._watched.add(run, self._look.at)
        self.outcome = self._watched.whole()
        self.site.history.keep(self.outcome, worst_of(self.outcome), None)

    def again(self) -> Site | None:
        """The next look on record."""
        look = next(self._looks, None)
        if look is None:
            return None
        self._look = look
        self.site = standing_at(self.site, look)
        return self.site


def standing_at(site: Site, look: Look) -> Site:
    """The site as it was when a look was taken."""
    return replace(site, record=look.readings, taken_at=look.ended_at, began=time.monotonic())
