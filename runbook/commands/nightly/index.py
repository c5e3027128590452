"""What the index of the nights is made of: every environment's nights, verdicts and measures."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from runbook.errors import ReportError
from runbook.history import KEPT, History, Judged
from runbook.history.nights import Night
from runbook.model import BREACHED, Record, Run, State
from runbook.settings import Settings


class Past(NamedTuple):
    """One environment's memory, and its nights, oldest first."""

    name: str
    history: History
    nights: tuple[Night, ...]


def index_of(settings: Settings, pasts: Sequence[Past], root: Path) -> Any:
    """The index of these environments, a ``reports.nights.Index``; links lead from ``root``. Raises HistoryError."""
    pages = importlib.import_module("reports.nights")
    return pages.Index(
        site=settings.site.name,
        made_at=datetime.now(UTC),
        overdue=settings.site.nightly.overdue,
        environments=tuple(_environment(pages, past, root) for past in pasts),
    )


def _environment(pages: Any, past: Past, root: Path) -> Any:
    last = _last_run(past.nights)
    return pages.EnvironmentNights(
        name=past.name,
        nights=tuple(
            pages.Night(at=one.at, worst=one.worst, said=one.said, href=_link(one, root)) for one in past.nights
        ),
        rows=tuple(_rows(pages, past, {record.row: record for record in last.records} if last else {})),
    )


def _rows(pages: Any, past: Past, records: Mapping[str, Record]) -> list[Any]:
    by_row = _standings(past.history.verdicts(KEPT), past.nights)
    return [_row(pages, past.history, row, found, records.get(row)) for row, found in sorted(by_row.items())]


def _row(pages: Any, history: History, row: str, standings: Sequence[str], record: Record | None) -> Any:
    measure = record.verdict.measures[0] if record and record.verdict.measures else None
    return pages.RowNights(
        row=row,
        title=record.title if record else None,
        standings=tuple(standings),
        measure=measure,
        trend=history.samples(row, measure.object, KEPT) if measure else (),
    )


def _standings(verdicts: Sequence[Judged], nights: Sequence[Night]) -> dict[str, list[str]]:
    """How each row stood on each night; empty where it was not judged."""
    places = {night.run: place for place, night in enumerate(nights) if night.run}
    found: dict[str, list[str]] = {}
    for judged in verdicts:
        place = places.get(judged.run)
        if place is not None:
            found.setdefault(judged.row, [""] * len(nights))[place] = _standing(judged)
    return found


def _standing(judged: Judged) -> str:
    """As the reports have it, see ``reports.words.Standing``."""
    if judged.waived and judged.final in (*BREACHED, State.UNKNOWN):
        return "waived"
    if judged.state in BREACHED and judged.final is State.OK:
        return "fixed"
    return judged.final.lower()


def _link(night: Night, root: Path) -> str:
    """From the index to the night's report; empty where that is gone, or lies elsewhere."""
    found = sorted((root / night.run).glob("*.html")) if night.run else []
    return f"{night.run}/{found[0].name}" if found else ""


def _last_run(nights: Sequence[Night]) -> Run | None:
    """The newest run that can still be read: it says what rows are called and what their values are held against."""
    reports = importlib.import_module("reports")
    for night in reversed(nights):
        if night.folder:
            try:
                run: Run = reports.read(Path(night.folder))
            except ReportError:
                continue
            return run
    return None
