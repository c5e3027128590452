"""How large a lot is, when it is done and how sure that is; the service level of 50,000 records in 30 minutes."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks import _batches, _pace
from checks.etl import check_etl_latency, check_service_level
from runbook.errors import HistoryError, ProbeFailure
from runbook.model import Finding, Proof, State
from runbook.targets.postgres.structs import Batch, ExchangeLatency
from tests.checks import fakes
from tests.checks.fakes import MINUTE, Told
from tests.checks.loads import EVERY, TABLE, lot, pace

STEADY = (3_000,) * 12


def batch(waiting: int, subsystem: int = 4, table: str = TABLE) -> Batch:
    at = fakes.now() - MINUTE
    return Batch(
        table=table, subsystem_id=subsystem, subsystem=f"SUB {subsystem}", waiting=waiting, first_at=at, last_at=at
    )


def finding(*batches: Batch, history: Any = None, **changes: Any) -> Finding:
    given = batches or (batch(30_000), batch(20, 1))
    told = {
        "batches": given,
        "consolidation_rate": 300.0,
        "lots": (),
        "pace": (pace(*STEADY, waiting=30_000),),
        **changes,
    }
    limits = fakes.limits(check_etl_latency)
    database: Any = Told(**told)
    return _batches.very_large(_batches.look(database, history or fakes.NoHistory(), limits), limits)


def said(found: Finding) -> list[str]:
    return [str(evidence.statement) for evidence in found.evidence]


class TestLot:
    """The cause."""

    def test_it_is_compared_with_the_median_of_its_own(self) -> None:
        usual = tuple(lot(records, day) for day, records in enumerate((8_000, 9_000, 10_000, 11_000, 12_000), 1))
        found = finding(lots=(*usual, lot(1_000, 24, today=True), lot(90_000, 9, subsystem=5)))
        assert found.proof is Proof.CONFIRMED
        assert "A lot of SUB 4 is being processed, 3.1 × its median: 30000 records" in str(found.summary)
        assert "With what of it is done today the lot is 3.1 × the median lot" in said(found)

    def test_a_lot_of_its_usual_size_is_not_very_large(self) -> None:
        found = finding(lots=tuple(lot(25_000, day) for day in range(1, 8)))
        assert found.proof is Proof.RULED_OUT
        assert "of its usual size, 1.2 × the median" in str(found.summary)

    def test_a_subsystem_without_a_past_is_compared_with_the_others(self) -> None:
        found = finding(lots=tuple(lot(5_000, day, subsystem=day) for day in range(5, 11)))
        assert "6 × its median" in str(found.summary)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            pytest.param({"lots": (lot(5_000, 1),) * 4}, "Too few earlier lots are known", id="few lots"),
            pytest.param({"lots": (lot(499, 1),) * 30}, "Too few earlier lots are known", id="corrections, no lots"),
            pytest.param({"lots": fakes.failing(ProbeFailure.SLOW)}, "It failed on purpose", id="its past is not told"),
            pytest.param({"pace": fakes.failing(ProbeFailure.SLOW)}, "It failed on purpose", id="its pace is not told"),
            pytest.param({"history": Told(samples=HistoryError("disk full"))}, "disk full", id="no history"),
        ],
    )
    def test_an_unknown_past_is_said(self, changes: dict[str, Any], words: str) -> None:
        found = finding(**changes)
        assert found.proof is Proof.CONFIRMED
        assert any(words in line for line in said(found))

    def test_the_end_has_an_interval(self) -> None:
        noisy = tuple(2_000 + 2_000 * (number * 7 % 5 in (0, 3)) for number in range(12))
        found = finding(pace=(pace(*noisy, waiting=30_000),))
        told = found.evidence[0].statement
        early, late = told.values["earliest"], told.values["latest"]
        assert early.at < datetime.fromisoformat(found.data["done_at"]) < late.at  # type: ignore[union-attr]
        assert "nine times of ten" in str(told)

    def test_what_was_before_the_lot_is_left_out(self) -> None:
        """Everything stood still behind a lock, then went on; the lot came after that."""
        still = pace(*(0,) * 20, *STEADY[:5], waiting=30_000)
        waiting = (*(400,) * 20, *still.waiting[20:])
        mixed = type(still)(table=TABLE, every=EVERY, finished=still.finished, waiting=waiting, unfinished=30_000)
        assert "300/s are finished" in str(finding(pace=(mixed,)).summary).replace(" 1/s", "/s")

    def test_a_lot_that_has_only_just_begun_has_none(self) -> None:
        assert "too early" in str(finding(pace=(pace(0, 3_000, waiting=30_000),)).evidence[0].statement)

    def test_a_pace_that_jumps_tells_no_latest_end(self) -> None:
        bursts = (0, 0, 0, 0, 0, 9_000, 0, 0, 0, 0, 0, 0)
        assert "Not before" in str(finding(pace=(pace(*bursts, waiting=3_000_000),)).evidence[0].statement)

    def test_one_that_has_stopped_is_not_explained_by_its_size(self) -> None:
        stopped = (*(3_000,) * 40, *(0,) * 30)
        found = finding(pace=(pace(*stopped, waiting=30_000),))
        assert (found.proof, "Nothing is finished" in str(found.summary)) == (Proof.RULED_OUT, True)

    def test_the_pace_is_held_against_its_past(self) -> None:
        past = fakes.NoHistory(*((fakes.now(), 60.0 * minutes) for minutes in (5, 6, 7, 8, 9)))
        assert any("the median of 5 earlier checks is 420 s" in line for line in said(finding(history=past)))

    def test_small_lots_ask_for_no_past(self) -> None:
        found = finding(batch(4_000), lots=None, pace=None, history=Told())
        assert found.proof is Proof.RULED_OUT


class TestEstimate:
    """When it is done."""

    @given(rate=st.integers(1, 10_000), remaining=st.integers(1, 10**6), count=st.integers(3, 60))
    def test_a_steady_pace_holds_the_truth(self, rate: int, remaining: int, count: int) -> None:
        found = _pace.estimate(remaining, (rate,) * count, EVERY)
        assert found is not None
        truth = remaining / rate * EVERY
        assert found.latest is not None
        assert found.earliest <= truth <= found.latest
        assert abs(found.expected - truth) < timedelta(milliseconds=1)
        assert found.latest - found.earliest <= 2 * EVERY + timedelta(milliseconds=1)

    @given(
        rate=st.integers(200, 5_000),
        noise=st.floats(0.01, 0.3),
        more=st.floats(1.2, 2.5),
        count=st.integers(4, 40),
        seed=st.integers(0, 999),
    )
    def test_more_noise_widens_it(self, rate: int, noise: float, more: float, count: int, seed: int) -> None:
        draw = random.Random(seed)
        shape = [draw.uniform(-1, 1) for _ in range(count)]
        mean = sum(shape) / count
        width = []
        for amount in (noise, noise * more):
            around = [rate * (1 + amount * (value - mean) / 2) for value in shape]
            found = _pace.estimate(100 * rate, around, EVERY)  # type: ignore[arg-type]
            assert found is not None
            width.append(timedelta.max if found.latest is None else found.latest - found.earliest)
        assert width[0] <= width[1]

    @pytest.mark.parametrize("alike", [0.0, 0.6], ids=["strangers", "neighbours alike"])
    def test_it_holds_the_truth_nine_times_of_ten(self, alike: float) -> None:
        draw, held, tries = random.Random(7), 0, 400
        for _ in range(tries):
            seen: list[int] = []
            drift = 0.0
            for _ in range(400):
                drift = alike * drift + draw.gauss(0, 200)
                seen.append(max(0, round(1_000 + drift)))
            past, future, left, intervals = seen[:30], seen[30:], 60_000, 0
            while left > 0:
                left -= future[intervals]
                intervals += 1
            found = _pace.estimate(60_000, past, EVERY)
            assert found is not None
            held += found.latest is not None and found.earliest <= intervals * EVERY <= found.latest
        assert held / tries >= 0.85

    @pytest.mark.parametrize("finished", [(), (5,), (5, 5), (0, 0, 0, 0)])
    def test_too_little_tells_nothing(self, finished: tuple[int, ...]) -> None:
        assert _pace.estimate(100, finished, EVERY) is None

    @settings(max_examples=50)
    @given(finished=st.lists(st.integers(0, 10_000), max_size=60), remaining=st.integers(0, 10**7))
    def test_it_is_always_in_order(self, finished: list[int], remaining: int) -> None:
        found = _pace.estimate(remaining, finished, EVERY)
        if found is not None:
            assert timedelta(0) <= found.earliest <= found.expected <= (found.latest or timedelta.max)


class TestServiceLevel:
    """ETL-03."""

    def verdict(self, *paces: Any, unfinished: int = 50_000, rate: float = 0.0) -> Any:
        table = ExchangeLatency(
            table=TABLE,
            finished=0,
            mean=None,
            slowest=None,
            unfinished=unfinished,
            oldest_unfinished=MINUTE,
            null_times=0,
        )
        database = Told(etl_latency=(table,), consolidation_rate=rate, pace=paces)
        return fakes.judged(check_service_level, database=database)

    @pytest.mark.parametrize(
        ("finished", "state", "minutes"),
        [
            pytest.param(3_000, State.OK, 2.78, id="healthy"),
            pytest.param(400, State.OK, 20.83, id="slow, but within"),
            pytest.param(330, State.WARNING, 25.25, id="near the limit"),
            pytest.param(250, State.CRITICAL, 33.33, id="beyond"),
        ],
    )
    def test_state(self, finished: int, state: State, minutes: float) -> None:
        found = self.verdict(pace(*(finished,) * 12, waiting=50_000))
        assert found.state is state
        assert found.measures[0].value.value == pytest.approx(60 * minutes, abs=1)

    def test_all_tables_count_together(self) -> None:
        found = self.verdict(
            pace(*(150,) * 12, waiting=50_000), pace(*(250,) * 12, waiting=50_000, table="tbae002_bajas")
        )
        assert found.state is State.OK

    def test_one_that_stands_still_is_critical(self) -> None:
        found = self.verdict(pace(*(0,) * 12, waiting=50_000))
        assert (found.state, "Nothing was finished in 120 s" in str(found.summary)) == (State.CRITICAL, True)

    @pytest.mark.parametrize(
        ("paces", "unfinished", "rate"),
        [
            pytest.param((), 4_999, 0.0, id="few wait"),
            pytest.param((pace(*(3_000,) * 3, waiting=9_000),), 9_000, 0.0, id="not for long enough"),
            pytest.param((pace(*(100,) * 180, waiting=0),), 0, 10.0, id="many came, never many at once"),
            pytest.param((), 50_000, 0.0, id="no table"),
        ],
    )
    def test_too_little_to_tell_is_skipped_with_the_reason(
        self, paces: tuple[Any, ...], unfinished: int, rate: float
    ) -> None:
        if paces and not unfinished:
            (one,) = paces
            paces = (type(one)(**{**{n: getattr(one, n) for n in one.__struct_fields__}, "waiting": (200,) * 180}),)
        found = self.verdict(*paces, unfinished=unfinished, rate=rate)
        assert found.state is State.SKIPPED
        assert "Too few records came to tell: it takes 5000 records waiting at once for 60 s" in str(found.summary)

    def test_a_service_that_rests_is_not_slow(self) -> None:
        """A lot of an hour ago was done at full pace; since then little comes."""
        rests = pace(*(5_000,) * 10, *(10,) * 60, waiting=0)
        assert self.verdict(rests, unfinished=0, rate=30.0).state is State.OK

    def test_blind_is_not_green(self) -> None:
        from runbook.errors import ProbeError

        with pytest.raises(ProbeError):
            fakes.judged(check_service_level, database=Told(etl_latency=fakes.failing(ProbeFailure.SLOW)))
