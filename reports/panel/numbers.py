"""A row's numbers: its values beside their limits, and the line of its trend."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from reports.clean import shortened
from reports.figures import Spark, bar, spark
from reports.language import Language
from reports.panel.marks import mark
from reports.panel.pen import NAME, Pen
from reports.shown import MeasureView, TrendView
from reports.story import worst_measure
from reports.words import STANDINGS, Standing, of_state
from runbook.model import Measure, Record, Verdict
from runbook.text import Quantity


def measures(pen: Pen, verdict: Verdict) -> tuple[MeasureView, ...]:
    """The values of a verdict, the worst first, as many as there is room for."""
    return tuple(_measure(pen, measure) for measure in verdict.measures[: pen.detail.measures])


def _measure(pen: Pen, measure: Measure) -> MeasureView:
    return MeasureView(
        object=pen.name(measure.object),
        value=shortened(pen.language.value(measure.value), NAME),
        limits=_limits(pen.language, measure),
        mark=mark(of_state(measure.state), pen.language),
        bar=None if pen.detail.brief else bar(measure),
    )


def _limits(language: Language, measure: Measure) -> str:
    sign = ">" if measure.direction == "above" else "<"
    given = ((Standing.WARNING, measure.warning), (Standing.CRITICAL, measure.critical))
    return " · ".join(
        f"{language.say(STANDINGS[name]).lower()}{language.space}{sign}{language.space}{language.value(limit)}"
        for name, limit in given
        if limit is not None
    )


def trend(pen: Pen, record: Record) -> TrendView | None:
    """The earlier values of the worst object and today's; None for a single one, and where there is no room."""
    slices = pen.detail.slices
    line = spark(record.trend, worst_measure(record.verdict), slices) if slices else None
    if line is None:
        return None
    numbers = (line.first, line.last, line.lowest, line.highest, *(limit for _, _, limit in line.lines))
    written = [pen.language.value(Quantity(number, record.trend_unit)) for number in numbers]
    words = pen.language.word(
        "From {first} to {last}; lowest {lowest}, highest {highest}",
        first=written[0],
        last=written[1],
        lowest=written[2],
        highest=written[3],
    )
    return TrendView(line, words, *_ends(pen.language, line), limits=tuple(written[4:]))


def _ends(language: Language, line: Spark) -> tuple[str, str]:
    """When the line begins and ends: a clock tells nothing of a line over weeks."""
    first, last = line.first_at, line.last_at
    tell = language.clock if language.date(first) == language.date(last) else _day_and_clock(language)
    return tell(first), tell(last)


def _day_and_clock(language: Language) -> Callable[[datetime], str]:
    return lambda at: f"{language.date(at)}, {language.clock(at)[:5]}"
