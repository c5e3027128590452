"""What other limits would have done, on series small enough to be seen through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.limits import Threshold
from runbook.tuning.comparing import Level, compared, incidents, pace
from runbook.tuning.stretches import Points, of_a_row, stretches
from runbook.tuning.suggesting import Verdict, suggested

START = datetime(2026, 11, 25, 3, tzinfo=UTC)
LIMITS = Threshold(timedelta(minutes=15), timedelta(minutes=45))
#: A sample every five minutes, in minutes of latency: two bumps that come to nothing, and one incident.
NIGHT = (2, 3, 11, 3, 2, 16, 3, 2, 4, 8, 12, 14, 20, 33, 47, 60, 30, 9, 3, 2)


def at(place: int) -> datetime:
    return START + timedelta(minutes=5 * place)


def series(*minutes: float) -> Points:
    return tuple((at(place), 60.0 * value) for place, value in enumerate(minutes))


def warning(minutes: float) -> Level:
    return compared(series(*NIGHT), LIMITS, Threshold(timedelta(minutes=minutes), LIMITS.critical))[0]


def test_with_ten_minutes_it_would_have_fired_earlier_and_once_more_for_nothing() -> None:
    level = warning(10)
    [fired] = level.fired
    assert (fired.now, fired.then, fired.earlier) == (at(12), at(10), timedelta(minutes=10))
    assert (level.alarms_now, level.false_now) == (2, 1)
    assert (level.alarms_then, level.false_then) == (3, 2)


def test_a_looser_limit_fires_later_and_spares_an_alarm() -> None:
    level = warning(30)
    assert level.fired[0].earlier == -timedelta(minutes=5)
    assert (level.alarms_then, level.false_then) == (1, 0)


def test_a_limit_that_is_never_reached_does_not_fire() -> None:
    level = warning(90)
    assert (level.fired[0].then, level.fired[0].earlier, level.alarms_then) == (None, None, 0)


def test_at_a_limit_nothing_is_breached() -> None:
    assert stretches(series(15, 15), "above", 900) == ()
    assert len(stretches(series(15, 15.1), "above", 900)) == 1


def test_a_stretch_that_the_data_end_in_has_no_end() -> None:
    [incident] = incidents(series(1, 50, 70), LIMITS)
    assert (incident.began, incident.ended, incident.worst) == (at(1), None, 4200)


def test_without_a_critical_limit_the_warning_says_what_an_incident_is() -> None:
    only = Threshold(timedelta(minutes=15), None)
    assert [one.began for one in incidents(series(*NIGHT), only)] == [at(5), at(12)]
    [level] = compared(series(*NIGHT), only, Threshold(timedelta(minutes=10), None))
    assert level.name == "warning"


def test_where_smaller_is_worse_everything_is_upside_down() -> None:
    down = Threshold(20, 10, unit="%", direction="below")
    points = tuple((when, 100 - value) for when, value in series(*(value / 60 for value in (60, 70, 85, 95, 60))))
    [level, _critical] = compared(points, down, Threshold(35, 10, unit="%", direction="below"))
    assert level.fired[0].earlier == timedelta(minutes=5)


def test_a_row_fires_when_any_of_its_objects_does() -> None:
    objects = {"a": series(1, 50, 1), "b": series(2, 3, 50)}
    assert [value / 60 for _at, value in of_a_row(objects, "above")] == [2, 50, 50]
    assert [value / 60 for _at, value in of_a_row(objects, "below")] == [1, 3, 1]


def test_what_is_suggested_is_quiet_in_calm_times_and_in_time_for_the_incident() -> None:
    quiet = series(*(value if value != 16 else 4 for value in NIGHT))
    best = suggested(quiet, LIMITS)
    assert (best.verdict, best.warning, best.incidents) == (Verdict.BETTER, 730.0, 1)
    assert (best.calm, best.samples) == (660.0, 7)
    level = compared(quiet, LIMITS, Threshold(best.warning, LIMITS.critical))[0]
    assert level.false_then == 0
    assert level.fired[0].earlier == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("minutes", "verdict"),
    [
        ((1, 2, 3), Verdict.FEW),
        ((50, 60), Verdict.FEW),
        ((), Verdict.FEW),
        ((44, 3, 44, 3, 50, 3), Verdict.MIXED),
        ((3, 3, 3, 50, 3), Verdict.GOOD),
    ],
)
def test_where_nothing_is_better_nothing_is_suggested(minutes: tuple[float, ...], verdict: Verdict) -> None:
    best = suggested(series(*minutes), LIMITS)
    assert (best.verdict, best.warning) == (verdict, None)


def test_a_looser_limit_is_suggested_only_where_it_still_warns_in_time() -> None:
    nervous = Threshold(timedelta(minutes=2.5), LIMITS.critical)
    slow = series(3, 2, 3, 2, 3, 2, 10, 20, 30, 40, 50, 2)
    assert suggested(slow, nervous).warning == 200.0
    sudden = series(3, 2, 3, 2, 3, 2.9, 3.1, 50, 2)
    assert suggested(sudden, nervous).verdict is Verdict.GOOD


@given(st.lists(st.floats(0, 1e6), max_size=40))
def test_a_suggestion_never_fires_in_calm_times(values: list[float]) -> None:
    best = suggested(series(*(value / 60 for value in values)), LIMITS)
    if best.warning is not None:
        assert best.calm is not None
        assert best.warning >= best.calm


@given(st.lists(st.floats(0, 6000), max_size=40), st.floats(1, 6000))
def test_every_incident_that_is_told_is_told_while_it_lasts_or_before(values: list[float], limit: float) -> None:
    points = series(*(value / 60 for value in values))
    for fired in (one for level in compared(points, LIMITS, Threshold(limit, limit)) for one in level.fired):
        assert fired.then is None or fired.incident.ended is None or fired.then < fired.incident.ended


def test_the_pace_is_the_middle_gap() -> None:
    assert pace(series(1, 2, 3)) == timedelta(minutes=5)
    assert pace(series(1)) == timedelta(0)
