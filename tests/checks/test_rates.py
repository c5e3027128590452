"""DB-15 to DB-18: counters as rates since an earlier check, or since they were reset."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks import rates
from runbook.errors import HistoryError
from runbook.model import State
from tests.checks import fakes
from tests.checks.fakes import NoHistory, Told, now
from tests.checks.loads import counters, load, server

HOUR = timedelta(hours=1, seconds=1)
GB = 1 << 30


class Past(NoHistory):
    """Values of counters an hour ago, by the name of the counter."""

    def __init__(self, **values: float) -> None:
        self._values = values

    def samples(self, row: str, object: str, since: timedelta) -> Any:
        found = next((value for name, value in self._values.items() if f"{name} (counter)" in object), None)
        return () if found is None else ((now() - 25 * HOUR, 0.0), (now() - HOUR, found), (now(), found))


def verdict(check: Any, history: Any, **given: Any) -> Any:
    told = server(**given) if "checkpoints" in given else server(counters=(counters(database=""), counters(**given)))
    return fakes.judged(check, database=Told(server=told), history=history)


@pytest.mark.parametrize(
    ("check", "past", "given", "state"),
    [
        pytest.param(rates.check_deadlocks_are_rare, {"sep_muses": 1}, {}, State.OK, id="a deadlock an hour"),
        pytest.param(rates.check_deadlocks_are_rare, {"sep_muses": 0}, {}, State.WARNING, id="two"),
        pytest.param(rates.check_deadlocks_are_rare, {"sep_muses": 0}, {"deadlocks": 61}, State.CRITICAL, id="61"),
        pytest.param(rates.check_deadlocks_are_rare, {"sep_muses": 90}, {}, State.WARNING, id="counted anew"),
        pytest.param(
            rates.check_few_transactions_roll_back, {"rollbacks": 0, "commits": 99_100}, {}, State.OK, id="10 %"
        ),
        pytest.param(
            rates.check_few_transactions_roll_back,
            {"rollbacks": 0, "commits": 99_101},
            {},
            State.OK,
            id="too few to tell",
        ),
        pytest.param(
            rates.check_few_transactions_roll_back,
            {"rollbacks": 0, "commits": 99_000},
            {"rollbacks": 112},
            State.WARNING,
            id="more than 10 %",
        ),
        pytest.param(
            rates.check_few_transactions_roll_back,
            {"rollbacks": 0, "commits": 99_000},
            {"rollbacks": 1_001},
            State.CRITICAL,
            id="more than half",
        ),
        pytest.param(
            rates.check_little_goes_through_temporary_files,
            {"sep_muses": 0},
            {"temp_bytes": 9 * GB},
            State.OK,
            id="temporary files",
        ),
        pytest.param(
            rates.check_little_goes_through_temporary_files,
            {"sep_muses": 0},
            {"temp_bytes": 11 * GB},
            State.WARNING,
            id="more",
        ),
        pytest.param(
            rates.check_little_goes_through_temporary_files,
            {"sep_muses": 0},
            {"temp_bytes": 101 * GB},
            State.CRITICAL,
            id="far more",
        ),
    ],
)
def test_by_the_hour(check: Any, past: dict[str, float], given: Any, state: State) -> None:
    assert verdict(check, Past(**past), **given).state is state


@pytest.mark.parametrize(
    ("forced", "timed", "state"),
    [(5, 5, State.OK), (6, 5, State.WARNING), (9, 1, State.WARNING), (91, 9, State.CRITICAL), (9, 0, State.OK)],
)
def test_checkpoints(forced: int, timed: int, state: State) -> None:
    given = load(checkpoints={"timed": 100 + timed, "requested": 100 + forced}).checkpoints
    past = Past(requested=100, timed=100)
    assert verdict(rates.check_checkpoints_come_by_the_clock, past, checkpoints=given).state is state


CHECKS = [
    rates.check_deadlocks_are_rare,
    rates.check_few_transactions_roll_back,
    rates.check_little_goes_through_temporary_files,
]


class Unreadable(NoHistory):
    """A history that cannot be read."""

    def samples(self, row: str, object: str, since: timedelta) -> Any:
        raise HistoryError("on purpose")


@pytest.mark.parametrize("history", [NoHistory(), Unreadable()])
@pytest.mark.parametrize("check", CHECKS)
def test_a_first_look_keeps_the_counters_and_judges_nothing(check: Any, history: Any) -> None:
    found = verdict(check, history)
    assert found.state is State.SKIPPED
    assert all("(counter)" in measure.object for measure in found.measures)


@pytest.mark.parametrize("check", CHECKS)
def test_a_first_look_judges_since_the_counters_were_reset(check: Any) -> None:
    assert verdict(check, NoHistory(), counted_since=now() - 24 * HOUR).state is State.OK


def test_a_first_look_at_a_storm_since_the_reset() -> None:
    storm = {"deadlocks": 1_500, "counted_since": now() - 24 * HOUR}
    assert verdict(rates.check_deadlocks_are_rare, NoHistory(), **storm).state is State.CRITICAL
