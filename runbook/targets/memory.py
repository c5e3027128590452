"""The history as rows ask it: what it answers is a reading like any other, so that a record of it is judged alike.

Growth and trends are judged against earlier measures. A record that lacked them could not tell why a row breached.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from runbook.errors import HistoryError, ProbeError, ProbeFailure
from runbook.history import Elsewhere, History, Samples
from runbook.probes import probe
from runbook.targets.base import Target


class Memory(Target):
    """The measures of earlier runs; ``elsewhere`` is asked where they are too few, where there is such a place."""

    kind: ClassVar[str] = "history"

    def __init__(self, history: History, elsewhere: Elsewhere | None = None) -> None:
        super().__init__("history")
        self._history, self.elsewhere = history, elsewhere

    def samples(self, row: str, object: str, since: timedelta) -> Samples:
        """Earlier measures of one object, oldest first; empty when there are none. Raises HistoryError."""
        try:
            return self.measures(row, object, since)
        except ProbeError as error:
            if error.kind is ProbeFailure.ABSENT:  # records of earlier versions hold no history
                return self._history.samples(row, object, since)
            raise HistoryError(error.said) from error

    @probe(deadline=timedelta(seconds=10))
    def measures(self, row: str, object: str, since: timedelta) -> Samples:
        """The same as one reading. Reads only; raises HistoryError."""
        return self._history.samples(row, object, since)
