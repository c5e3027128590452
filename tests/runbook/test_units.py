"""Durations and sizes as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.units import exact_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("15 min", timedelta(minutes=15)),
        ("45s", timedelta(seconds=45)),
        ("1 h 30 min", timedelta(minutes=90)),
        ("90 d", timedelta(days=90)),
        ("250 ms", timedelta(milliseconds=250)),
        ("1.5 h", timedelta(minutes=90)),
    ],
)
def test_durations(written: str, meant: timedelta) -> None:
    assert parse_duration(written) == meant


@pytest.mark.parametrize("written", ["", "15", "min", "15 minutes", "5 m", "-3 s", "1 h x", "١ s x"])
def test_what_is_no_duration_is_refused_with_the_units(written: str) -> None:
    with pytest.raises(ValueError, match="units: ms, s, min, h, d"):
        parse_duration(written)


@pytest.mark.parametrize(("written", "meant"), [("512 MiB", 512 * 1024**2), ("2 GB", 2 * 10**9), ("7 B", 7)])
def test_sizes(written: str, meant: int) -> None:
    assert parse_size(written) == meant


@given(st.integers(0, 10**6), st.sampled_from(["s", "min", "h", "d"]))
def test_a_whole_number_of_any_unit_reads(count: int, unit: str) -> None:
    assert parse_duration(f"{count} {unit}") == count * parse_duration(f"1 {unit}")


@given(st.integers(min_value=0, max_value=10**15))
def test_an_exact_size_is_read_back_as_it_was(count: int) -> None:
    assert parse_size(exact_size(count)) == count


def test_an_exact_size_is_in_the_largest_whole_unit() -> None:
    assert [exact_size(count) for count in (0, 1500, 10 * 1024**3, 10**9)] == ["0 B", "1500 B", "10 GiB", "1 GB"]
