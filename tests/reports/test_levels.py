"""A service level is kept where enough judgements say so, missed where they say otherwise, else not proven."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.levels import Held, Level, LevelResult, floored, levels, measure
from reports.stretches import Seen
from runbook.history import Judged
from runbook.model import State
from runbook.text import text
from tests.reports.telling import DAY, FIRST, HOUR, MINUTE, NEXT, judged

OK, BAD, BLIND, SKIPPED = State.OK, State.CRITICAL, State.UNKNOWN, State.SKIPPED


def level(*rows: str, **changes: Any) -> Level:
    return Level(name="x", promise=text("x"), source="", rows=rows or ("A-01",), objective=99.9, **changes)


def measured(found: list[Judged], of: Level | None = None, **changes: Any) -> LevelResult:
    given: dict[str, Any] = {"until": NEXT, "stands_for": 26 * HOUR, **changes}
    return measure(of or level(), found, {}, FIRST, NEXT, **given)


def every(step: timedelta, row: str = "A-01", **states: State) -> list[Judged]:
    """Judgements all month long, in order but for those moments that are named by their number."""
    count = int((NEXT - FIRST) / step)
    return [judged(row, FIRST + n * step, states.get(f"n{n}", OK)) for n in range(count)]


def test_judged_often_and_always_in_order_it_is_kept() -> None:
    found = measured(every(10 * MINUTE))
    assert (found.held, found.bad, found.gap, found.lowest) == (Held.KEPT, timedelta(0), timedelta(0), 100)


def test_judged_once_a_night_nothing_is_proven_however_well_it_looks() -> None:
    found = measured(every(DAY))
    assert (found.held, found.bad, found.every) == (Held.NOT_PROVEN, timedelta(0), DAY)


@pytest.mark.parametrize(("bad", "held"), [(4, Held.KEPT), (5, Held.MISSED)])
def test_the_budget_is_what_decides(bad: int, held: Held) -> None:
    # Forty minutes are within a month's 43 min 12 s, fifty are not.
    found = measured(every(10 * MINUTE, **{f"n{n}": BAD for n in range(100, 100 + bad)}))
    assert (found.held, found.bad) == (held, bad * 10 * MINUTE)


def test_a_day_without_a_judgement_is_a_gap_and_never_kept() -> None:
    found = measured([one for one in every(10 * MINUTE) if one.at.day not in (7, 8)])
    assert found.held is Held.NOT_PROVEN
    assert found.gap > 20 * HOUR
    assert found.lowest < 97.5
    assert found.highest == 100


def test_a_judgement_speaks_no_longer_than_it_may() -> None:
    found = measured([judged("A-01", FIRST, OK)], stands_for=2 * HOUR)
    assert (found.good, found.gap) == (2 * HOUR, 30 * DAY - 2 * HOUR)


def test_what_could_not_be_seen_is_a_gap() -> None:
    found = measured(every(10 * MINUTE, **{f"n{n}": BLIND for n in range(50, 60)}))
    assert (found.gap, found.held) == (100 * MINUTE, Held.NOT_PROVEN)


def test_mended_in_its_own_run_it_was_bad_until_that_ended() -> None:
    at = FIRST + HOUR
    found = measure(
        level(),
        [judged("A-01", at, BAD, OK, "r")],
        {"r": at + 3 * MINUTE},
        FIRST,
        NEXT,
        until=NEXT,
        stands_for=HOUR,
    )
    assert (found.bad, found.good) == (3 * MINUTE, 57 * MINUTE)


def test_one_of_two_rows_is_enough_to_be_bad_and_both_are_needed_to_be_good() -> None:
    both = level("A-01", "B-01")
    rows = every(10 * MINUTE) + every(10 * MINUTE, "B-01", n10=BAD, n20=BLIND)
    found = measured(sorted(rows, key=lambda one: one.at), both)
    assert (found.bad, found.gap) == (10 * MINUTE, 10 * MINUTE)
    assert measured(every(10 * MINUTE), both).gap == 30 * DAY  # B-01 was never judged


def test_a_row_that_does_not_apply_counts_for_nothing() -> None:
    skipped = [judged("B-01", one.at, SKIPPED) for one in every(10 * MINUTE)]
    both = sorted([*every(10 * MINUTE), *skipped], key=lambda one: one.at)
    assert measured(both, level("A-01", "B-01")).held is Held.KEPT


def test_a_service_without_work_is_neither_slow_nor_fast() -> None:
    idle = measured(every(10 * MINUTE, **{f"n{n}": SKIPPED for n in range(2000)}))
    assert (idle.held, idle.idle, idle.gap, idle.lowest) == (Held.KEPT, 20_000 * MINUTE, timedelta(0), 100)
    never = measured([judged("A-01", one.at, SKIPPED) for one in every(10 * MINUTE)])
    assert (never.held, never.good, never.gap) == (Held.NOT_PROVEN, timedelta(0), timedelta(0))


def test_what_the_site_judges_by_a_limit_of_its_own_proves_nothing_of_the_promise() -> None:
    assert measured(every(10 * MINUTE), level(own_limit="limits.A-01.critical = 2 h")).held is Held.NOT_PROVEN


def test_the_promises_are_those_of_the_service_and_the_site_s_limit_is_named() -> None:
    found = {one.name: one for one in levels(99.5, 99.0, ("DB-02", "X-01"), {"ETL-01": {"critical": "1 h"}})}
    assert found["availability"].rows == ("DB-02", "X-01")
    assert (found["availability"].objective, found["siged"].objective) == (99.5, 99.0)
    assert found["throughput"].promise.spanish == "50,000 registros procesados en menos de 30 minutos"
    assert found["latency"].own_limit == "limits.ETL-01.critical = 1 h"
    assert found["siged"].own_limit == ""


@pytest.mark.parametrize(
    ("share", "said"), [(100, "100"), (99.99996, "99.999"), (99.9, "99.9"), (0, "0"), (96.41, "96.41")]
)
def test_what_is_less_never_reads_as_all_of_it(share: float, said: str) -> None:
    assert floored(share) == said


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40_000), st.sampled_from([OK, BAD, BLIND, SKIPPED])), max_size=12))
def test_the_stretches_are_the_whole_time_and_nothing_twice(told: list[tuple[int, State]]) -> None:
    found = measured([judged("A-01", FIRST + at * MINUTE, state) for at, state in sorted(told)])
    assert found.stretches[0].start == FIRST
    assert found.stretches[-1].end == NEXT
    assert all(
        before.end == after.start and before.seen is not after.seen for before, after in pairwise(found.stretches)
    )
    assert sum((one.span for one in found.stretches), timedelta(0)) == found.span
    assert found.span == found.good + found.bad + found.idle + found.gap
    assert found.gap == sum((one.span for one in found.stretches if one.seen is Seen.GAP), timedelta(0))


def test_before_the_month_s_end_it_is_told_so_far_against_the_whole_budget() -> None:
    until = datetime(2026, 11, 11, 6, tzinfo=FIRST.tzinfo)
    found = measured([one for one in every(10 * MINUTE) if one.at < until], until=until)
    assert (found.span, found.budget, found.held) == (10 * DAY, timedelta(seconds=2592), Held.KEPT)
