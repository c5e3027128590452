"""Thresholds: beyond breaches, at does not; what cannot be judged is not green."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.errors import SettingsError
from runbook.limits import Limits, Threshold, configured
from runbook.model import State
from runbook.text import Quantity, text

MINUTES = Threshold(timedelta(minutes=15), timedelta(minutes=45))


@pytest.mark.parametrize(
    ("minutes", "state"), [(15, State.OK), (15.01, State.WARNING), (45, State.WARNING), (45.01, State.CRITICAL)]
)
def test_beyond_a_limit_breaches_it(minutes: float, state: State) -> None:
    assert MINUTES.state(timedelta(minutes=minutes)) is state


def test_smaller_can_be_worse() -> None:
    free = Threshold(20, 10, unit="%", direction="below")
    assert [free.state(v) for v in (20, 19, 9)] == [State.OK, State.WARNING, State.CRITICAL]


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_worse_value_is_never_a_better_state(a: float, b: float) -> None:
    order = [State.OK, State.WARNING, State.CRITICAL]
    low, high = sorted((a, b))
    limit = Threshold(100, 1000, unit="l")
    assert order.index(limit.state(low)) <= order.index(limit.state(high))


def test_the_worst_object_comes_first_and_speaks() -> None:
    limits = Limits(Threshold(10, 20, unit="l"))
    for name, value in (("a", 1), ("b", 25), ("c", 30), ("d", 15)):
        limits.judge(value, of=name, summary=text("{n} is full", n=name))
    verdict = limits.verdict()
    assert verdict.state is State.CRITICAL
    assert [m.object for m in verdict.measures] == ["c", "b", "d", "a"]
    assert str(verdict.summary) == "c is full"
    assert verdict.measures[0].warning == Quantity(10.0, "l")


def test_nothing_judged_is_unknown() -> None:
    assert Limits().verdict().state is State.UNKNOWN


def test_part_of_it_unseen_is_unknown_but_a_breach_that_was_seen_stays() -> None:
    limits = Limits(Threshold(10, 20, unit="l"))
    limits.judge(5, of="a")
    limits.cannot_see(text("b does not answer"))
    assert limits.verdict().state is State.UNKNOWN
    assert str(limits.verdict().summary) == "b does not answer"
    limits.judge(25, of="c")
    assert limits.verdict().state is State.CRITICAL


def test_skipped_only_when_nothing_was_judged() -> None:
    limits = Limits(Threshold(10, 20, unit="l"))
    limits.skip(text("no history yet"))
    assert limits.verdict().state is State.SKIPPED
    limits.judge(25, of="a")
    assert limits.verdict().state is State.CRITICAL


def test_the_site_overrides_limits_and_the_rows_own_numbers() -> None:
    threshold, settings = configured(
        MINUTES, {"window": timedelta(minutes=5), "floor": 10}, {"warning": "15 s", "window": "5 s", "floor": 3}
    )
    assert threshold is not None
    assert threshold.warning == timedelta(seconds=15)
    assert threshold.critical == timedelta(minutes=45)
    assert settings == {"window": timedelta(seconds=5), "floor": 3}


@pytest.mark.parametrize(
    ("given", "words"),
    [({"warnin": "1 s"}, "did you mean 'warning'"), ({"warning": "soon"}, "15 min"), ({"window": 5}, "15 min")],
)
def test_a_number_the_row_does_not_have_is_refused(given: dict[str, str | int | float], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        configured(MINUTES, {"window": timedelta(minutes=5)}, given)
