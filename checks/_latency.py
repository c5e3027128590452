"""How long records take from the exchange tables to the core, now and with time. Pure.

A mean over finished records looks healthy while nothing finishes: the age of the oldest unfinished one counts too.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from checks import _past
from runbook.limits import Limits
from runbook.model import State
from runbook.text import Quantity, Text, text

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.postgres.structs import ExchangeLatency

#: The name of the guide's own metric: all exchange tables together.
OVERALL = "tbae*"
#: A trend is fitted to so many samples at most, evenly chosen: the slopes between all pairs are looked at.
FITTED = 60
#: A trend counts when so many of all pairs of samples rise: noise rises half of the time.
RISING = 0.65

Samples = Sequence[tuple[datetime, float]]


class Trend(NamedTuple):
    """Seconds of latency a second of time, and whether it is a trend at all."""

    slope: float
    rises: bool


def current(tables: Iterable[ExchangeLatency]) -> Iterator[tuple[str, timedelta]]:
    """What is judged, by the name under which it is remembered: means, overall mean, ages of the oldest unfinished."""
    tables = tuple(tables)
    yield from ((table.table, table.mean) for table in tables if table.mean is not None)
    yield from ((_oldest(table), table.oldest_unfinished) for table in tables if table.oldest_unfinished is not None)
    overall = _overall(tables)
    if overall is not None:
        yield OVERALL, overall


def past(history: History, object: str, limits: Limits) -> _past.Past:
    """The latency so far, for a trend. Prometheus can tell it of all tables together only. Raises HistoryError."""
    since = limits.span("look_back")
    own = history.samples("ETL-01", object, since)
    if object != OVERALL:
        return _past.Past(own)
    return _past.of(history, own, limits.number("least_samples") - 1, "etl_latency", object, since)


def judge(tables: Sequence[ExchangeLatency], limits: Limits) -> None:
    """Judge each table's mean and its oldest unfinished record, and the mean of all."""
    for table in tables:
        _judge_finished(table, limits)
        _judge_unfinished(table, limits)
        _tell_null_times(table, limits)
    overall = _overall(tables)
    if overall is not None:
        said = text("Records take {mean} on average from TBAE* to TBMU*", mean=overall)
        limits.judge(overall, of=OVERALL, summary=said)


def judge_trend(object: str, samples: Samples, limits: Limits) -> None:
    """Judge what the latency will be at the horizon if it goes on rising as it does.

    A rise far below the limit is no news: it is judged from half the warning on.
    """
    now, horizon, warning = samples[-1][1], limits.span("horizon"), limits.threshold and limits.threshold.warning
    found = trend(samples)
    relevant = isinstance(warning, timedelta) and now >= warning.total_seconds() / 2
    if not (found.rises and relevant):
        steady = text("The latency of {object} is not on the rise: {now}", object=object, now=timedelta(seconds=now))
        limits.hold(State.OK, of=object, value=Quantity(now, "s"), summary=steady)
        return
    then = timedelta(seconds=now + found.slope * horizon.total_seconds())
    rising = text(
        "The latency of {object} rises: {now} now, {then} in {horizon}",
        object=object,
        now=timedelta(seconds=now),
        then=then,
        horizon=horizon,
    )
    limits.judge(then, of=object, summary=rising)


def too_few(limits: Limits) -> Text:
    """Why there is no trend yet."""
    least = Quantity(limits.number("least_samples"), "samples")
    return text(
        "There is not enough history yet: a trend takes {samples} over {span}",
        samples=least,
        span=limits.span("least_span"),
    )


def trend(samples: Samples) -> Trend:
    """The median of the slopes between all pairs of samples (Theil and Sen): single outliers do not move it."""
    chosen = samples[:: -(-len(samples) // FITTED)]
    slopes = [
        (late - early) / (then - at).total_seconds()
        for (at, early), (then, late) in itertools.combinations(chosen, 2)
        if then > at
    ]
    if not slopes:
        return Trend(0.0, rises=False)
    return Trend(statistics.median(slopes), rises=sum(slope > 0 for slope in slopes) >= RISING * len(slopes))


def _judge_finished(table: ExchangeLatency, limits: Limits) -> None:
    if table.mean is not None:
        said = text(
            "{table}: {records} took {mean} on average",
            table=table.table,
            records=_records(table.finished),
            mean=table.mean,
        )
        limits.judge(table.mean, of=table.table, summary=said)
    elif table.finished:
        blind = text(
            "{table}: {records} are finished, but none has a time", table=table.table, records=_records(table.finished)
        )
        limits.cannot_see(blind)
    elif not table.unfinished:
        idle = text("{table}: no records in the window, and none waits", table=table.table)
        limits.hold(State.OK, of=table.table, summary=idle)


def _judge_unfinished(table: ExchangeLatency, limits: Limits) -> None:
    if not table.unfinished:
        return
    records = _records(table.unfinished)
    if table.oldest_unfinished is None:
        limits.cannot_see(text("{table}: {records} wait, but none has a time", table=table.table, records=records))
        return
    said = text(
        "{table}: {records} wait, the oldest for {age}", table=table.table, records=records, age=table.oldest_unfinished
    )
    limits.judge(table.oldest_unfinished, of=_oldest(table), summary=said)


def _tell_null_times(table: ExchangeLatency, limits: Limits) -> None:
    if table.null_times:
        said = text(
            "{table}: {records} have no time and are not counted", table=table.table, records=_records(table.null_times)
        )
        limits.hold(State.OK, of=f"{table.table} (null_times)", value=_records(table.null_times), summary=said)


def _overall(tables: Iterable[ExchangeLatency]) -> timedelta | None:
    counted = [(table.finished, table.mean) for table in tables if table.finished and table.mean is not None]
    finished = sum(count for count, _ in counted)
    return sum((count * mean for count, mean in counted), timedelta(0)) / finished if finished else None


def _oldest(table: ExchangeLatency) -> str:
    return f"{table.table} (oldest_unfinished)"


def _records(count: int) -> Quantity:
    return Quantity(count, "records")
