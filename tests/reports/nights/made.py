"""Environments and their nights for the tests of the index."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from reports.language import Language
from reports.nights import EnvironmentNights, Index, Night, RowNights, render
from runbook.model import Measure, State
from runbook.text import Quantity
from tests.reports.factory import both

#: 05:05 in the site's zone.
NOW = datetime(2026, 11, 25, 11, 5, tzinfo=UTC)
STATES = {"ok": State.OK, "warning": State.WARNING, "critical": State.CRITICAL, "unknown": State.UNKNOWN}


def night(ago: int, worst: State = State.OK, **given: Any) -> Night:
    """So many days before the last one; its report is there."""
    run = f"{NOW - timedelta(days=ago):%Y%m%dT%H%M%SZ}-0badcafe"
    return Night(**{"at": NOW - timedelta(days=ago), "worst": worst, "href": f"{run}/{run}.html", **given})


def row(id: str, *standings: str, value: float = 12.0) -> RowNights:
    """A row with a value for each night, the last one as given."""
    count = len(standings)
    trend = tuple((NOW - timedelta(days=count - 1 - place), value * (place + 1) / count) for place in range(count))
    measure = Measure(
        object="muses.recepcion",
        value=Quantity(value, "message"),
        state=State.OK,
        warning=Quantity(20, "message"),
        critical=Quantity(40, "message"),
    )
    title = both("The queue is worked off.", "La cola se atiende")
    return RowNights(row=id, title=title, standings=standings, trend=trend, measure=measure)


def environment(name: str, *rows: RowNights, nights: tuple[Night, ...] | None = None) -> EnvironmentNights:
    """As many nights as the rows have, each as bad as its worst row."""
    count = len(rows[0].standings) if rows else 0
    found = tuple(night(count - 1 - place, _worst(rows, place)) for place in range(count))
    return EnvironmentNights(name=name, nights=found if nights is None else nights, rows=rows)


def index(*environments: EnvironmentNights, **given: Any) -> Index:
    """The index an hour after the last night."""
    made_at = given.pop("made_at", NOW + timedelta(hours=1))
    fields = {"site": "SEP-MUSES", "made_at": made_at, "overdue": timedelta(hours=26), "environments": environments}
    return Index(**{**fields, **given})


def page(*environments: EnvironmentNights, code: str = "en", **given: Any) -> bytes:
    """The rendered index."""
    return render(index(*environments, **given), Language(code))


def _worst(rows: tuple[RowNights, ...], place: int) -> State:
    names = ("critical", "warning", "unknown")
    return next((STATES[name] for name in names if any(row.standings[place] == name for row in rows)), State.OK)
