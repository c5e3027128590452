"""A real Prometheus: what it keeps is a past on the first run. Skipped with the reason where none is installed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from checks.etl import check_etl_latency_is_not_rising
from checks.queue import check_queue_does_not_grow
from runbook.errors import ProbeError, ProbeFailure
from runbook.history import History
from runbook.model import State, Verdict
from runbook.settings import PrometheusSettings
from runbook.targets.prometheus.prometheus import Prometheus
from tests.checks import fakes
from tests.checks.fakes import Told
from tests.runbook.targets.servers_prometheus import reason_against, running

HOURS = timedelta(hours=2)
QUEUE = "muses.recepcion"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if reason := reason_against():
        pytest.skip(reason)
    with running(tmp_path_factory.mktemp("prometheus")) as port:
        yield port


@pytest.fixture
def prometheus(port: int) -> Prometheus:
    settings = PrometheusSettings(url=f"http://127.0.0.1:{port}", etl_latency="max(etl_latency_seconds)")
    return Prometheus("prometheus", settings, environment="lab")


@pytest.fixture
def first_run(prometheus: Prometheus) -> Iterator[History]:
    """A history without any run of its own."""
    history = History(None, "lab")
    history.elsewhere = prometheus
    yield history
    history.close()


def test_a_range_is_the_past(prometheus: Prometheus) -> None:
    samples = prometheus.past("queue_messages", QUEUE, HOURS)
    assert 200 <= len(samples) <= 241
    values = [value for _, value in samples]
    assert values == sorted(values), "the greatest of both replicas, never their sum"
    assert 24_000 <= values[-1] <= 25_000
    assert len(prometheus.query_range("queue_messages_ready", HOURS)) == 2


def test_what_went_stale_is_a_gap(prometheus: Prometheus) -> None:
    [series] = prometheus.query_range("hueco", HOURS)
    assert series.samples
    assert series.samples[-1][0] < fakes.now() - timedelta(minutes=90)
    assert prometheus.query("hueco") == ()


def test_its_own_refusal_is_told(prometheus: Prometheus) -> None:
    with pytest.raises(ProbeError, match="parse error") as caught:
        prometheus.query("up{")
    assert (caught.value.kind, caught.value.code) == (ProbeFailure.BROKEN, "400")


def test_all_replicas_together_are_the_throughput(prometheus: Prometheus) -> None:
    found = prometheus.throughput("servicio-consolidacion")
    assert found.now == pytest.approx(4.0, rel=0.05)
    assert found.yesterday is None
    assert prometheus.throughput("nadie").now is None


def test_rights(prometheus: Prometheus) -> None:
    assert [right.held for right in prometheus.rights()] == [True, True, True, True]


def summaries(found: Verdict) -> list[str]:
    return [str(measure.summary) for measure in found.measures]


class TestFirstRun:
    """The same row, the same reading: without a past nothing is known of a trend, with Prometheus it is."""

    def test_a_latency_that_rises_is_seen(self, first_run: History) -> None:
        found = fakes.judged(
            check_etl_latency_is_not_rising, database=Told(etl_latency=(fakes.LATENCY,)), history=first_run
        )
        assert found.state is State.WARNING
        assert any("The latency of tbae* rises" in one for one in summaries(found))
        assert any("The past is Prometheus's" in one for one in summaries(found))

    def test_without_a_past_it_is_not(self) -> None:
        found = fakes.judged(
            check_etl_latency_is_not_rising, database=Told(etl_latency=(fakes.LATENCY,)), history=fakes.NoHistory()
        )
        assert found.state is State.SKIPPED

    def test_a_queue_that_grows_is_seen(self, first_run: History) -> None:
        now = fakes.now()
        queue = fakes.queue((now - timedelta(seconds=1), 25_000), (now, 25_000))
        broker = Told(queues=(queue,))
        found = fakes.judged(check_queue_does_not_grow, broker=broker, history=first_run)
        assert found.state is State.WARNING
        assert any("grows by" in one for one in summaries(found)), summaries(found)
        assert any("The past is Prometheus's" in one for one in summaries(found))
        alone = fakes.judged(check_queue_does_not_grow, broker=broker, history=fakes.NoHistory())
        assert not any("grows by" in one for one in summaries(alone))
