"""The geometry of bars and trends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reports.figures import HEIGHT, SLICES, WIDTH, bar, spark
from runbook.model import Measure, State
from runbook.text import Value, per_minute, percent
from tests.reports import factory


def measure(value: Value, warning: Value = None, critical: Value = None, direction: str = "above") -> Measure:
    return Measure(object="x", value=value, state=State.OK, warning=warning, critical=critical, direction=direction)


@pytest.mark.parametrize(
    ("given", "zones"),
    [
        (measure(percent(50), percent(80), percent(90)), [("ok", 0, 80), ("warning", 80, 10), ("critical", 90, 10)]),
        (measure(percent(50), percent(80)), [("ok", 0, 80), ("warning", 80, 20)]),
        (measure(percent(50), None, percent(90)), [("ok", 0, 90), ("critical", 90, 10)]),
        (
            measure(percent(50), percent(20), percent(10), "below"),
            [("critical", 0, 10), ("warning", 10, 10), ("ok", 20, 80)],
        ),
    ],
)
def test_zones_lie_where_a_value_would_be_in_order_or_not(
    given: Measure, zones: list[tuple[str, float, float]]
) -> None:
    drawn = bar(given)
    assert drawn is not None
    assert [(name, start, width) for name, start, width in drawn.zones] == zones


@pytest.mark.parametrize(
    "given",
    [
        measure("a name", 1, 2),
        measure(5),
        measure(True, 1, 2),
        measure(None, 1),
        measure(0, 0, 0),
        measure(-3, 0, None),
    ],
)
def test_what_has_no_scale_has_no_bar(given: Measure) -> None:
    assert bar(given) is None


def test_a_value_below_zero_is_an_empty_bar() -> None:
    drawn = bar(measure(per_minute(-900), per_minute(60), per_minute(120)))
    assert drawn is not None
    assert drawn.value == 0


def test_a_trend_stays_in_its_box_and_keeps_its_peaks() -> None:
    trend = [(factory.START + timedelta(seconds=n), 500.0 if n == 700 else float(n % 7)) for n in range(1440)]
    drawn = spark(trend, measure(per_minute(3), per_minute(60), per_minute(120)))
    assert drawn is not None
    points = [tuple(map(float, point.split(","))) for point in drawn.points.split()]
    assert len(points) <= 2 * SLICES + 2
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert (drawn.highest, drawn.lowest) == (500, 0)
    assert min(y for _, y in points) < HEIGHT / 8
    assert [name for name, _, _ in drawn.lines] == ["warning", "critical"]


def test_a_limit_far_away_does_not_flatten_the_line() -> None:
    trend = [(factory.at(n), 20.0 + n) for n in range(5)]
    drawn = spark(trend, measure(per_minute(24), per_minute(60), per_minute(12_000)))
    assert drawn is not None
    assert [name for name, _, _ in drawn.lines] == ["warning"]


@pytest.mark.parametrize("trend", [(), ((factory.START, 1.0),), ((factory.START, 1.0), (factory.START, 2.0))])
def test_too_little_to_draw(trend: tuple[tuple[object, float], ...]) -> None:
    assert spark(trend, None) is None  # type: ignore[arg-type]


def test_a_flat_line_has_a_scale() -> None:
    assert spark([(factory.at(n), 0.0) for n in range(3)], None) is not None
