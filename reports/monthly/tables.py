"""The tables of a month's metrics: service levels, latency, days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from reports.clean import label
from reports.document.blocks import Block, Trend
from reports.drafts import Cell, paragraph, table
from reports.drafts.marks import held, mark
from reports.language import Language
from reports.levels import LevelResult, floored
from reports.monthly.metrics import Day, Latency
from runbook.model import Measure

NAME = 120


def levels(found: Sequence[LevelResult], language: Language) -> Iterator[Block]:
    """Each service level with its budget, and what the numbers do not say."""
    word = language.word
    head = (
        *(word("Service level"), word("Met?"), word("Held, of the whole time"), word("Not met for")),
        *(word("Budget"), word("Left of it"), word("Not seen for")),
    )
    yield from table(word("Service levels and error budget"), head, (_level(one, language) for one in found))
    yield from map(paragraph, _remarks(found, language))


def _level(one: LevelResult, language: Language) -> tuple[Cell, ...]:
    left = one.budget - one.bad
    return (
        f"{language.say(one.level.promise)} ({', '.join(label(row, NAME) for row in one.level.rows)})",
        held(one.held, language),
        _share(one, language),
        language.duration(one.bad),
        language.duration(one.budget),
        language.duration(left),
        language.duration(one.gap),
    )


def _share(one: LevelResult, language: Language) -> str:
    """What is proven of it: no more than the least of it, and the most, where a part was not seen."""
    if not one.good and not one.bad:
        return language.word("no data")
    if one.gap <= timedelta(0):
        return f"{floored(one.lowest)} %"
    lowest, highest = floored(one.lowest), floored(one.highest)
    if not one.bad:
        return language.word("at least {lowest} %", lowest=lowest)
    return language.word("at least {lowest} %, at most {highest} %", lowest=lowest, highest=highest)


def _remarks(found: Sequence[LevelResult], language: Language) -> Iterator[str]:
    """What the numbers do not say."""
    seldom: dict[tuple[timedelta, timedelta], list[str]] = {}
    for one in found:
        if one.every is not None and one.every > one.budget:
            seldom.setdefault((one.every, one.budget), []).extend(one.level.rows)
    for (every, budget), rows in seldom.items():
        yield language.word(
            "{rows}: judged every {every} as a rule; what lasts less can have gone unseen, what was seen counts until "
            "the next judgement: that is too coarse for a budget of {budget}.",
            rows=", ".join(rows),
            every=every,
            budget=budget,
        )
    for one in found:
        if one.idle:
            yield language.word(
                "{rows}: there was nothing to judge for {span}; that time counts for nothing.",
                rows=", ".join(one.level.rows),
                span=one.idle,
            )
        if one.level.own_limit:
            yield language.word(
                "{promise}: judged against the site's own limit, {limit}.",
                promise=language.say(one.level.promise),
                limit=one.level.own_limit,
            )


def latencies(found: Sequence[Latency], language: Language) -> tuple[Block, ...]:
    """What the ETL took."""
    word = language.word
    headings = (word("Object"), word("Samples"), word("Median"), word("95 of 100 within"), word("Highest"), word("At"))
    rows = tuple(
        (
            label(one.object, NAME),
            language.value(one.samples),
            *(language.duration(timedelta(seconds=value)) for value in (one.median, one.high, one.highest)),
            language.moment(one.highest_at),
        )
        for one in found
    )
    return table(word("Latency of the ETL"), headings, rows)


def latency_line(
    points: Sequence[tuple[datetime, float]], limits: Measure | None, days: int, language: Language
) -> Iterator[Block]:
    """The highest latency of each day; nothing with fewer than two days."""
    if len(points) > 1:
        values = [value for _at, value in points]
        words = language.word(
            "{seen} of {days} days have a latency; their highest lie between {lowest} and {highest}.",
            seen=len(points),
            days=days,
            highest=timedelta(seconds=max(values)),
            lowest=timedelta(seconds=min(values)),
        )
        yield Trend(language.word("Highest latency of each day"), words, tuple(points), "s", limits)


def days(found: Sequence[Day], language: Language) -> tuple[Block, ...]:
    """Every day, those without a run as what they are."""
    word = language.word
    headings = (
        word("Day"),
        word("Runs"),
        word("Worst state"),
        word("Rows breached"),
        word("Not available"),
        word("Not seen"),
    )
    return table(word("Day by day"), headings, tuple(_day(day, language) for day in found))


def _day(day: Day, language: Language) -> tuple[Cell, ...]:
    if day.worst is None:
        return (language.day(day.day), "0", language.word("no data"), "—", "—", language.duration(day.unseen))
    return (
        language.day(day.day),
        language.value(day.runs),
        mark(day.worst, language),
        language.value(day.breached),
        language.duration(day.down),
        language.duration(day.unseen),
    )
