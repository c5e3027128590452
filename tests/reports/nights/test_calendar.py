"""The calendar: the worse of two runs of a day, gaps that show, days in the site's zone."""

from __future__ import annotations

from datetime import UTC, datetime

from reports.language import Language
from reports.nights import Night
from reports.nights.calendar import months
from runbook.model import State

ENGLISH = Language("en")


def at(day: int, hour: int = 12, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def test_a_day_without_a_run_shows_as_a_gap() -> None:
    (november,) = months([Night(at=at(2), worst=State.OK), Night(at=at(4), worst=State.WARNING, href="x")], ENGLISH)
    assert [(day.number, day.name, day.href) for day in november.days] == [
        (2, "ok", ""),
        (3, "", ""),
        (4, "warning", "x"),
    ]
    assert november.days[1].words == "3 Nov 2026: no run"
    assert november.first == 1, "2 November 2026 is a Monday"


def test_the_newest_month_comes_first_and_each_from_where_it_has_nights() -> None:
    found = months([Night(at=at(30, month=9), worst=State.OK), Night(at=at(1), worst=State.OK)], ENGLISH)
    assert [(month.name, len(month.days), month.first) for month in found] == [
        ("Nov 2026", 1, 7),
        ("Oct 2026", 31, 4),
        ("Sep 2026", 1, 3),
    ]


def test_of_two_runs_of_a_day_the_worse_stands() -> None:
    bad, good = Night(at=at(4, 11), worst=State.CRITICAL, href="bad"), Night(at=at(4, 15), worst=State.OK, href="good")
    for nights in ((bad, good), (good, bad)):
        (november,) = months(nights, ENGLISH)
        assert [(day.name, day.href) for day in november.days] == [("critical", "bad")]


def test_days_are_those_of_the_site() -> None:
    (november,) = months([Night(at=at(4, 3), worst=State.OK)], ENGLISH)
    assert [day.number for day in november.days] == [3]


def test_without_nights_there_is_no_month() -> None:
    assert months([], ENGLISH) == ()
