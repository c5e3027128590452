"""The calendar of the nights: each day's worst, and the days on which nobody looked."""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from reports.language import Language
from reports.nights import Night
from reports.nights.shown import Day, Month
from reports.words import SHAPES, STANDINGS, of_state
from runbook.model import Severity


def months(nights: Sequence[Night], language: Language) -> tuple[Month, ...]:
    """From the first night's month to the last one's, newest first, days in the site's zone; empty without nights."""
    by_day: dict[date, Night] = {}
    for night in nights:
        day = language.local(night.at).date()
        by_day[day] = _worse(by_day.get(day), night)
    if not by_day:
        return ()
    first, last = min(by_day), max(by_day)
    return tuple(_month(year, month, (first, last), by_day, language) for year, month in _from_newest(first, last))


def _worse(one: Night | None, other: Night) -> Night:
    """Of two nights of one day the worse: what is judged again does not paint it over."""
    if one is None or Severity[other.worst.name].value <= Severity[one.worst.name].value:
        return other
    return one


def _month(year: int, month: int, ends: tuple[date, date], by_day: dict[date, Night], language: Language) -> Month:
    length = calendar.monthrange(year, month)[1]
    begin, end = max(ends[0], date(year, month, 1)), min(ends[1], date(year, month, length))
    days = (begin + timedelta(days=passed) for passed in range((end - begin).days + 1))
    name = language.day(begin).split(maxsplit=1)[1]
    return Month(name, begin.weekday() + 1, tuple(_day(day, by_day.get(day), language) for day in days))


def _day(day: date, night: Night | None, language: Language) -> Day:
    if night is None:
        return Day(day.day, "", "", language.word("{day}: no run", day=language.day(day)), "")
    standing = of_state(night.worst)
    words = f"{language.day(day)}: {language.say(STANDINGS[standing])}"
    return Day(day.day, standing.value, SHAPES[standing], words, night.href)


def _from_newest(first: date, last: date) -> Iterator[tuple[int, int]]:
    months = last.year * 12 + last.month - 1
    while months >= first.year * 12 + first.month - 1:
        yield months // 12, months % 12 + 1
        months -= 1
