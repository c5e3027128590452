"""Strips and lines say what happened, in few characters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reports.nights.geometry import line, strip
from runbook.model import Measure, State
from runbook.text import Quantity

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def limits(warning: float | None = 40, critical: float | None = 80) -> Measure:
    warned, worse = (None if limit is None else Quantity(limit, "%") for limit in (warning, critical))
    return Measure(object="x", value=Quantity(1, "%"), state=State.OK, warning=warned, critical=worse)


def days(*values: float) -> tuple[tuple[datetime, float], ...]:
    return tuple((BEGAN + timedelta(days=day), value) for day, value in enumerate(values))


def test_a_strip_draws_stretches_worst_first_and_leaves_gaps() -> None:
    assert strip(("ok", "ok", "", "critical", "ok")) == (("critical", "M3 6h1"), ("ok", "M0 11h2M4 11h1"))
    assert strip(()) == ()


def test_a_line_spans_its_box_from_zero_to_the_highest_or_the_threshold() -> None:
    drawn = line(days(0, 20, 40), limits(), 30)
    assert drawn is not None
    assert drawn.points == "0,23 60,12 120,1"
    assert (drawn.limit, drawn.limit_name) == (1, "warning")
    below = line(days(0, 80), limits(warning=None, critical=40), 30)
    assert below is not None
    assert (below.limit, below.limit_name) == (12, "critical")


def test_thinning_keeps_the_peak_and_the_ends() -> None:
    values = [1.0] * 400
    values[217] = 99.0
    drawn = line(days(*values), None, 10)
    assert drawn is not None
    heights = [int(point.split(",")[1]) for point in drawn.points.split()]
    assert min(heights) == 1
    assert len(heights) <= 22
    assert drawn.points.startswith("0,")
    assert " 120," in drawn.points


def test_there_is_no_line_through_one_point_or_through_none_asked_for() -> None:
    assert line(days(1), limits(), 30) is None
    assert line(days(1, 2), limits(), 0) is None
    assert line(((BEGAN, 1.0), (BEGAN, 2.0)), limits(), 30) is None


def test_a_flat_line_of_zeros_is_drawn_on_the_ground() -> None:
    drawn = line(days(0, 0), None, 30)
    assert drawn is not None
    assert drawn.points == "0,23 120,23"
