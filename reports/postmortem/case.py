"""What a post-mortem is drafted from: one incident, its judgements, and those of its runs whose reports are kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from reports.levels import Level
from runbook.history import Judged
from runbook.model import Environment, Record, Run, State
from runbook.text import Text, verbatim


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """``runs`` are oldest first; ``unread`` are the ids of those that are not among them, ``run_ends`` when each ended.

    ``judged`` are the judgements of all rows, oldest first, from well before the incident on; ``ended`` is None while
    it lasts, and ``made_at`` the moment up to which all of this is told.
    """

    id: str
    environment: Environment
    began: datetime
    ended: datetime | None
    rows: tuple[str, ...]
    worst: State
    runs: tuple[Run, ...]
    unread: tuple[str, ...] = ()
    judged: tuple[Judged, ...] = ()
    run_ends: dict[str, datetime] = {}
    levels: tuple[Level, ...] = ()
    stands_for: timedelta = timedelta(hours=26)
    made_at: datetime

    @property
    def until(self) -> datetime:
        """Its end, or the moment up to which it is told."""
        return self.ended or self.made_at


def told(case: Case) -> Iterator[tuple[Run, Record]]:
    """What the kept runs say of the incident's rows, oldest first."""
    for run in case.runs:
        yield from ((run, record) for record in run.records if record.row in case.rows)


def titles(case: Case) -> dict[str, Text]:
    """The title of each row, as the newest run that is kept has it; its id where none is."""
    known = {record.row: record.title for _run, record in told(case)}
    return {row: known.get(row, verbatim(row)) for row in case.rows}


def last_records(case: Case) -> dict[str, tuple[Run, Record]]:
    """The newest word on each row: a run in which it could not be seen is one, a run that skipped it is none."""
    return {record.row: (run, record) for run, record in told(case) if record.verdict.state is not State.SKIPPED}
