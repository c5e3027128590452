"""Times of day as a schedule has them."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.slots import DAYS, Slot, parse_slot


@given(st.integers(0, 23), st.integers(0, 59), st.none() | st.integers(0, 6))
def test_what_is_written_is_read_again(hour: int, minute: int, weekday: int | None) -> None:
    slot = Slot(hour, minute, weekday)
    assert parse_slot(str(slot)) == slot


@pytest.mark.parametrize(
    "written", ["", "3:30", "24:00", "03:60", "sun 04:30", "Sun", "Dom 04:30", "03:30 ", "03:30:00"]
)
def test_what_is_no_time_says_how_one_is_written(written: str) -> None:
    with pytest.raises(ValueError, match="such as '03:30' or 'Sun 04:30'"):
        parse_slot(written)


def test_a_weekly_slot_falls_on_its_day_only() -> None:
    sunday = date(2026, 11, 29)
    assert DAYS[sunday.weekday()] == "Sun"
    assert parse_slot("Sun 04:30").falls_on(sunday)
    assert not parse_slot("Mon 04:30").falls_on(sunday)
    assert parse_slot("04:30").falls_on(sunday)
    assert parse_slot("04:30").on(sunday) == datetime(2026, 11, 29, 4, 30)
