"""The probes of the records: what the rows that validate them read.

Each reads whole tables where nothing has an index, so each has a time limit of its own: one that has outgrown it is
told as too slow, and only the rows that asked it are blind.
"""

from __future__ import annotations

from datetime import timedelta

from runbook.probes import probe
from runbook.targets.postgres import standing
from runbook.targets.postgres.asking import LONG, LONG_SECONDS, TABLES, Asking
from runbook.targets.postgres.record_structs import (
    Absent,
    Answers,
    CatalogueValue,
    Duplicates,
    Enrolments,
    MotiveUse,
    Standing,
)


class RecordReadings(Asking):
    """What is read of the records."""

    @probe(needs=TABLES, deadline=LONG)
    def standing(self) -> tuple[Standing, ...]:
        """What stands in the exchange tables by status and subsystem, by one scan of each. Raises ProbeError(SLOW)."""
        with self._connections.reader(LONG_SECONDS) as reader:
            return standing.standing(reader, self._zone)

    @probe(needs=TABLES)
    def catalogue_values(self) -> tuple[CatalogueValue, ...]:
        """The values of the catalogues that records refer to."""
        with self._connections.reader() as reader:
            return standing.catalogue_values(reader)

    @probe(needs=TABLES)
    def motive_uses(self) -> tuple[MotiveUse, ...]:
        """How often each motive of error was given."""
        with self._connections.reader() as reader:
            return standing.motive_uses(reader)

    @probe(needs=TABLES, deadline=LONG)
    def duplicates(self, since: timedelta) -> tuple[Duplicates, ...]:
        """What of the records that came in that time came twice, per exchange table. Raises ProbeError(SLOW)."""
        with self._connections.reader(LONG_SECONDS) as reader:
            return standing.duplicates(reader, self._zone, since)

    @probe(needs=TABLES, deadline=LONG)
    def answers(self, window: timedelta) -> tuple[Answers, ...]:
        """The records answered in the window by table, subsystem and motive of error; warnings are no error.

        Raises ProbeError(ABSENT) for a status that is not there, ``SLOW``.
        """
        with self._connections.reader(LONG_SECONDS) as reader:
            return standing.answers(reader, self._zone, window)

    @probe(needs=TABLES, deadline=LONG)
    def absent_from_core(self, window: timedelta, settle: timedelta) -> tuple[Absent, ...]:
        """What the core lacks of what was answered as consolidated in the window, but for the last ``settle``.

        Raises ProbeError(ABSENT) for a status that is not there, ``SLOW``.
        """
        with self._connections.reader(LONG_SECONDS) as reader:
            return standing.absent(reader, self._zone, window, settle)

    @probe(needs=TABLES, deadline=LONG)
    def enrolments(self) -> tuple[Enrolments, ...]:
        """The enrolments of the core by status and subsystem, and what SIGED has not been told. Raises SLOW."""
        with self._connections.reader(LONG_SECONDS) as reader:
            return standing.enrolments(reader, self._zone)
