"""What findings make of logs: the lot that fails, replicas, yesterday; and what they make of a log that is not seen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from checks import _consolidation, _filling, _latency, _past, _refusals
from checks._dead_letters import poisoned
from checks._found import alike, compared
from checks.etl import check_etl_latency_is_not_rising
from checks.staging import check_staging_does_not_fill_the_disk
from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.limits import Limits
from runbook.model import Proof, State
from runbook.targets.logs.correlation import Shared
from runbook.targets.logs.logs import Usual
from runbook.targets.prometheus.prometheus import Throughput
from tests.checks import fakes
from tests.checks.fakes import CONSOLIDATION, PROCESSING, Told

LOT = Shared(field="id_subsistema", value="4", failures=37, of=37, others=1, others_of=200)
ALONE = Shared(field="lote", value="L-9", failures=37, of=37, others=0, others_of=0)


def failing(kind: str) -> Any:
    by_replica = {"app1:proc-01": 20, "app2:proc-01": 17}
    return msgspec.structs.replace(fakes.group(kind, count=37), shared=(LOT, ALONE), by_replica=by_replica)


def said(evidence: Any) -> list[str]:
    return [str(one.statement) for one in evidence]


def test_the_lot_and_the_replicas_are_evidence() -> None:
    told = tuple(alike([failing("message")], PROCESSING))
    assert said(told) == [
        "37 of 37 errors have id_subsistema 4; of the other 200 lines, 1 have",
        "37 of 37 errors have lote L-9; no other line names one",
        "37 errors of this shape by replica",
    ]
    assert told[2].sample == ("app1:proc-01: 20", "app2:proc-01: 17")


def test_rejected_messages_are_told_to_be_one_lot() -> None:
    found = poisoned(fakes.errors(failing("message")), ())
    assert found.proof is Proof.CONFIRMED
    assert any("id_subsistema 4" in one for one in said(found.evidence))


class TestRefusals:
    def look(self, **logs: Any) -> _refusals.Refusals:
        return _refusals.look(Told(connections=fakes.connections()), Told(**logs), PROCESSING)  # type: ignore[arg-type]

    def test_yesterday_stands_beside_today(self) -> None:
        now = fakes.now()
        usual = Usual(errors=6, lines=900, since=now - timedelta(hours=25), until=now - timedelta(hours=24))
        seen = self.look(errors=fakes.errors(failing("database")), usual=usual)
        assert "7.4 1/min are logged, against 0.1 1/min in the same hour of yesterday" in said(seen.in_the_log)

    def test_a_yesterday_that_is_not_kept_is_said(self) -> None:
        errors = fakes.errors(failing("database"))
        assert "nothing of yesterday is kept" in str(compared(Told(), errors).statement)  # type: ignore[arg-type]

    def test_a_part_that_is_not_seen_is_no_silence(self) -> None:
        blind = msgspec.structs.replace(fakes.errors(), unseen=("app2 did not let us in",))
        seen = self.look(errors=blind)
        assert seen.logged is None
        assert "app2 did not let us in" in said(seen.in_the_log)
        assert self.look(errors=fakes.errors()).logged == ()


class TestConsolidation:
    @pytest.mark.parametrize(
        ("told", "expected"),
        [
            (fakes.errors(service=CONSOLIDATION), ()),
            (msgspec.structs.replace(fakes.errors(service=CONSOLIDATION), unseen=("x",)), None),
            (ProbeError("logs", ProbeFailure.DENIED, "no"), None),
        ],
    )
    def test_a_log_that_is_not_seen_is_no_silence(self, told: Any, expected: Any) -> None:
        assert _consolidation.errors(Told(errors=told), CONSOLIDATION) == expected  # type: ignore[arg-type]


class TestPace:
    def pace(self, answer: Any) -> list[str]:
        return said(_consolidation.pace(Told(throughput=answer), CONSOLIDATION))  # type: ignore[arg-type]

    def test_today_stands_beside_yesterday(self) -> None:
        assert self.pace(Throughput(now=0.5, yesterday=40.0)) == [
            "servicio-consolidacion finishes 0.5 1/s, against 40 1/s yesterday at this time"
        ]

    def test_what_is_not_kept_is_not_zero(self) -> None:
        assert self.pace(Throughput(now=0.5, yesterday=None)) == ["servicio-consolidacion finishes 0.5 1/s"]
        assert "no sample" in self.pace(Throughput(now=None, yesterday=40.0))[0]

    def test_without_prometheus_nothing_is_said_and_a_failure_is(self) -> None:
        assert self.pace(NotConfigured("prometheus", "x")) == []
        assert self.pace(ProbeError("prometheus", ProbeFailure.REFUSED, "nobody there")) == ["prometheus: nobody there"]


class Elsewhere:
    """A Prometheus that gives what it is told."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked, self.for_what = answer, 0, ""

    def past(self, quantity: str, *_: object) -> Any:
        self.asked, self.for_what = self.asked + 1, quantity
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class TestPast:
    own = tuple((fakes.now() - timedelta(minutes=n), 1.0) for n in (2, 1))
    kept = tuple((fakes.now() - timedelta(seconds=n), 2.0) for n in range(9, 0, -1))

    def of(self, answer: Any, least: int = 4) -> tuple[_past.Past, Elsewhere]:
        history, elsewhere = fakes.NoHistory(), Elsewhere(answer)
        history.elsewhere = elsewhere
        past = _past.of(history, self.own, least, "etl_latency", "tbae*", timedelta(hours=2))  # type: ignore[arg-type]
        return past, elsewhere

    def test_too_few_samples_come_from_prometheus_and_the_verdict_says_so(self) -> None:
        past, _ = self.of(self.kept)
        assert past.samples == self.kept
        limits = Limits()
        _past.tell(past, "tbae*", limits)
        [measure] = limits.measures
        assert (measure.object, measure.state) == ("tbae* (past)", State.SKIPPED)
        assert "The past is Prometheus's: 9 samples" in str(measure.summary)

    def test_enough_of_its_own_asks_nobody(self) -> None:
        past, elsewhere = self.of(self.kept, least=2)
        assert (past, elsewhere.asked) == (_past.Past(self.own), 0)

    def test_fewer_than_its_own_are_not_taken(self) -> None:
        assert self.of(self.kept[:2])[0] == _past.Past(self.own)

    def test_what_is_not_configured_is_no_news(self) -> None:
        assert self.of(NotConfigured("prometheus", "x"))[0] == _past.Past(self.own)

    def test_a_prometheus_that_fails_is_said_and_judges_nothing(self) -> None:
        past, _ = self.of(ProbeError("prometheus", ProbeFailure.REFUSED, "nobody there"))
        limits = Limits()
        _past.tell(past, "tbae*", limits)
        assert past.samples == self.own
        assert "nobody there" in str(past.said)
        assert limits.measures[0].state is State.SKIPPED

    def test_the_size_of_the_staging_tables_has_a_past_too(self) -> None:
        history, elsewhere = fakes.NoHistory(), Elsewhere(self.kept)
        history.elsewhere = elsewhere
        past = _filling.past(history, fakes.limits(check_staging_does_not_fill_the_disk))  # type: ignore[arg-type]
        assert (past.samples, elsewhere.for_what) == (self.kept, "staging_bytes")

    def test_a_tables_own_latency_is_not_that_of_all(self) -> None:
        history, elsewhere = fakes.NoHistory(), Elsewhere(self.kept)
        history.elsewhere = elsewhere
        given = fakes.limits(check_etl_latency_is_not_rising)
        assert _latency.past(history, "tbae001_inscripcion", given).samples == ()  # type: ignore[arg-type]
        assert _latency.past(history, "tbae*", given).samples == self.kept  # type: ignore[arg-type]
        assert (elsewhere.asked, elsewhere.for_what) == (1, "etl_latency")

    def test_a_past_that_is_too_short_makes_nothing_green(self) -> None:
        history = fakes.NoHistory()
        history.elsewhere = Elsewhere(self.kept)
        told = Told(etl_latency=(fakes.LATENCY,))
        found = fakes.judged(check_etl_latency_is_not_rising, database=told, history=history)
        assert found.state is State.SKIPPED
        assert "not enough history" in str(found.summary)
