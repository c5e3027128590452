"""What a monthly report is written from: a month's judgements, measures, incidents, and the runs that matter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import msgspec

from reports.language import Language
from reports.levels import Level
from runbook.history import Judged, Kept, Measured
from runbook.incidents import Incident
from runbook.model import Environment, Record, Run
from runbook.text import Text, verbatim

#: The rows of procedures' own runs: they have no threshold.
PROCEDURES = frozenset({"BACKUP", "VERIFY-BACKUP", "RESTORE-TEST", "RESTORE-BACKUP", "RETENTION", "PURGE"})


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """``start`` and ``end`` are the month's in the site's zone; ``made_at`` may lie before its end.

    ``judged`` reach back ``stands_for`` before the start, the rest does not. ``runs`` are those that were read, oldest
    first: the newest of each row, those that acted, procedures, the first and last of each incident; ``unread`` are
    those of them whose reports are not kept any more.
    """

    environment: Environment
    start: datetime
    end: datetime
    made_at: datetime
    judged: tuple[Judged, ...] = ()
    kept: tuple[Kept, ...] = ()
    measures: tuple[Measured, ...] = ()
    incidents: tuple[Incident, ...] = ()
    runs: tuple[Run, ...] = ()
    unread: tuple[str, ...] = ()
    levels: tuple[Level, ...] = ()
    stands_for: timedelta = timedelta(hours=26)

    @property
    def until(self) -> datetime:
        """Up to when it is told: its end, or the moment of a report before that."""
        return min(self.end, self.made_at)


def day_of(month: Month, at: datetime) -> date:
    """The day of a moment in the site's zone."""
    return Language(timezone=month.environment.timezone).local(at).date()


def days(month: Month) -> tuple[date, ...]:
    """The days of the month that have begun, in the site's zone."""
    first, last = day_of(month, month.start), day_of(month, month.until - timedelta(microseconds=1))
    return tuple(first + timedelta(days=number) for number in range((last - first).days + 1))


def in_month(month: Month) -> tuple[Judged, ...]:
    """The judgements of the month itself."""
    return tuple(one for one in month.judged if month.start <= one.at < month.until)


def newest(month: Month) -> dict[str, Record]:
    """What the newest run that was read says of each row of the runbook; procedures are none."""
    return {r.row: r for run in month.runs for r in run.records if r.row not in PROCEDURES}


def title(row: str, known: Mapping[str, Record]) -> Text:
    """A row's title, its id where no run that was read has it."""
    return known[row].title if row in known else verbatim(row)
