"""Prometheus' HTTP API as its documentation says, recorded: envelope, matrix, vector, warnings, refusals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.settings import Login, PrometheusSettings, Secret
from runbook.targets.prometheus.prometheus import Prometheus
from tests.runbook.targets.servers_http import Asked, Contract, answering
from tests.runbook.targets.servers_network import fixed_answer, refused_port, silent_port, tls_in_front_of

HOUR = timedelta(hours=1)


def target(port: int, scheme: str = "http", **settings: Any) -> Prometheus:
    given = PrometheusSettings(url=f"{scheme}://127.0.0.1:{port}", **settings)
    return Prometheus("prometheus", given, environment="lab")


def success(kind: str, result: Any, **more: Any) -> Callable[[Asked], tuple[int, Any]]:
    return lambda _: (200, {"status": "success", "data": {"resultType": kind, "result": result}, **more})


def matrix(*values: list[Any], **labels: str) -> Callable[[Asked], tuple[int, Any]]:
    return success("matrix", [{"metric": labels, "values": list(values)}])


def failure(ask: Callable[[], object]) -> tuple[ProbeFailure, str]:
    with pytest.raises(ProbeError) as caught:
        ask()
    return caught.value.kind, str(caught.value)


class TestQueries:
    def test_a_range(self) -> None:
        with answering(matrix([1764000000, "3"], [1764000015.5, "5.5"], queue="muses")) as server:
            [series] = target(server.port).query_range('up{a="b"}', HOUR)
        assert series.labels == {"queue": "muses"}
        assert [(at.timestamp(), value) for at, value in series.samples] == [(1764000000.0, 3.0), (1764000015.5, 5.5)]
        [asked] = server.asked
        assert (asked.path, asked.query["query"], asked.query["timeout"]) == ("/api/v1/query_range", 'up{a="b"}', "3s")
        assert float(asked.query["end"]) - float(asked.query["start"]) == pytest.approx(3600, abs=0.01)
        assert asked.query["step"] == "15.000"

    def test_a_long_range_has_no_more_points_than_may_be(self) -> None:
        with answering(matrix()) as server:
            target(server.port, points=100).query_range("up", timedelta(days=30))
        assert server.asked[0].query["step"] == f"{30 * 86400 / 100:.3f}"

    def test_an_instant_and_a_scalar(self) -> None:
        with answering(success("vector", [{"metric": {}, "value": [1764000000, "7"]}])) as server:
            [series] = target(server.port).query("up")
        assert [value for _, value in series.samples] == [7.0]
        with answering(success("scalar", [1764000000, "1"])) as server:
            [series] = target(server.port).query("1")
        assert [value for _, value in series.samples] == [1.0]

    def test_what_is_no_number_is_no_measure(self) -> None:
        values = ([1, "NaN"], [2, "+Inf"], [3, "-Inf"], [4, "4"])
        with answering(matrix(*values)) as server:
            [series] = target(server.port).query_range("up", HOUR)
        assert [value for _, value in series.samples] == [4.0]

    def test_histograms_hold_no_samples(self) -> None:
        with answering(success("matrix", [{"metric": {}, "histograms": [[1, {"count": "5"}]]}])) as server:
            assert target(server.port).query_range("h", HOUR)[0].samples == ()

    def test_a_path_before_the_api(self) -> None:
        with answering(success("vector", [])) as server:
            given = PrometheusSettings(url=f"http://127.0.0.1:{server.port}/prom/")
            Prometheus("prometheus", given, environment="lab").query("up")
        assert server.asked[0].path == "/prom/api/v1/query"

    @pytest.mark.parametrize("kind", ["token", "login"])
    def test_who_asks(self, tmp_path: Path, kind: str) -> None:
        (tmp_path / "s").write_text("clave-de-prueba")
        secret = Secret(file=tmp_path / "s")
        given: dict[str, Any] = {"token": secret} if kind == "token" else {"login": Login(user="ana", password=secret)}
        with answering(success("vector", [])) as server:
            target(server.port, **given).query("up")
        said = server.asked[0].headers["Authorization"]
        assert said == ("Bearer clave-de-prueba" if kind == "token" else "Basic YW5hOmNsYXZlLWRlLXBydWViYQ==")

    def test_tls_is_verified(self, tmp_path: Path) -> None:
        with answering(success("vector", [])) as server, tls_in_front_of(server.port, tmp_path) as (port, cafile):
            assert target(port, "https", cafile=cafile).query("up") == ()
            assert failure(lambda: target(port, "https").query("up"))[0] is ProbeFailure.TLS


class TestFailures:
    def test_an_answer_in_part_is_blind(self) -> None:
        result = [{"metric": {}, "values": [[1, "1"]]}]
        with answering(success("matrix", result, warnings=["remote read failed: store-2"])) as server:
            kind, said = failure(lambda: target(server.port).query_range("up", HOUR))
        assert kind is ProbeFailure.BLIND
        assert "store-2" in said

    def test_annotations_are_no_warning(self) -> None:
        with answering(success("vector", [], infos=["PromQL info: metric might not be a counter"])) as server:
            assert target(server.port).query("rate(x[5m])") == ()

    def test_too_many_series(self) -> None:
        many = [{"metric": {"n": str(n)}, "value": [1, "1"]} for n in range(6)]
        with answering(success("vector", many)) as server:
            assert "6 series" in failure(lambda: target(server.port, max_series=5).query("up"))[1]

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, ProbeFailure.BROKEN),
            (422, ProbeFailure.BROKEN),
            (503, ProbeFailure.BROKEN),
            (401, ProbeFailure.DENIED),
            (404, ProbeFailure.ABSENT),
        ],
    )
    def test_refusals_say_why(self, status: int, kind: ProbeFailure) -> None:
        said = {"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end of input"}
        with answering(lambda _: (status, said)) as server:
            found = failure(lambda: target(server.port).query("up{"))
        assert found[0] is kind
        assert "unexpected end of input" in found[1]

    @pytest.mark.parametrize("said", ["<html>", "{}", '{"status":"success","data":{"resultType":"string","result":5}}'])
    def test_something_else(self, said: str) -> None:
        with answering(lambda _: (200, said)) as server:
            kind, words = failure(lambda: target(server.port).query("up"))
        assert kind is ProbeFailure.BROKEN
        assert "something else" in words

    def test_nobody_there(self) -> None:
        assert failure(lambda: target(refused_port()).query("up"))[0] is ProbeFailure.REFUSED

    def test_silence_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("runbook.targets.web.PATIENCE", 0.2)
        with silent_port() as port:
            assert failure(lambda: target(port).query("up"))[0] is ProbeFailure.SILENT

    def test_no_http(self) -> None:
        with fixed_answer(b"SSH-2.0-x\r\n") as port:
            assert failure(lambda: target(port).query("up"))[0] is ProbeFailure.BROKEN

    def test_not_configured(self) -> None:
        with pytest.raises(NotConfigured, match=r"environments\.lab\.prometheus"):
            Prometheus("prometheus", None, environment="lab").query("up")


class TestPast:
    def ask(self, server: Contract, quantity: str = "queue_messages", **settings: Any) -> list[float]:
        found = target(server.port, **settings).past(quantity, 'cola "a"\\b', HOUR)
        return [value for _, value in found]

    def test_a_queue_is_asked_for_by_its_quoted_name(self) -> None:
        with answering(matrix([1, "4"], [2, "5"])) as server:
            assert self.ask(server, queue_messages="rabbitmq_queue_messages_ready") == [4.0, 5.0]
        assert server.asked[0].query["query"] == r'max(rabbitmq_queue_messages_ready{queue="cola \"a\"\\b"})'

    def test_an_expression_of_the_site(self) -> None:
        with answering(matrix([1, "4"])) as server:
            assert self.ask(server, "etl_latency", etl_latency="max(etl_seconds)") == [4.0]
        assert server.asked[0].query["query"] == "max(etl_seconds)"

    def test_without_an_expression_it_is_not_configured(self) -> None:
        with answering(matrix()) as server, pytest.raises(NotConfigured, match="staging_bytes"):
            self.ask(server, "staging_bytes")

    @pytest.mark.parametrize("result", [[], [{"metric": {}, "values": [[1, "NaN"]]}]])
    def test_nothing_kept_is_absent(self, result: Any) -> None:
        with answering(success("matrix", result)) as server:
            assert failure(lambda: self.ask(server))[0] is ProbeFailure.ABSENT

    def test_several_series_are_refused(self) -> None:
        two = [{"metric": {"i": str(n)}, "values": [[1, "1"]]} for n in (1, 2)]
        with answering(success("matrix", two)) as server:
            assert "aggregate" in failure(lambda: self.ask(server, "etl_latency", etl_latency="x"))[1]


def test_throughput_is_asked_for_now_and_a_day_before() -> None:
    def answer(asked: Asked) -> tuple[int, Any]:
        value = "40" if "offset 1d" in asked.query["query"] else "0.5"
        return success("vector", [{"metric": {}, "value": [1, value]}])(asked)

    with answering(answer) as server:
        found = target(server.port, service_label="job").throughput("cons")
    assert (found.now, found.yesterday) == (0.5, 40.0)
    assert server.asked[0].query["query"] == 'sum(rate(events_processed_total{job="cons"}[5m]))'


def test_rights_say_what_is_there() -> None:
    def answer(asked: Asked) -> tuple[int, Any]:
        known = "etl_seconds" not in asked.query["query"]
        return success("vector", [{"metric": {}, "value": [1, "1"]}] if known else [])(asked)

    with answering(answer) as server:
        rights = target(server.port, etl_latency="etl_seconds").rights()
    assert [right.held for right in rights] == [True, True, True, False]


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "ftp://x"},
        {"url": "http://x:99999"},
        {"url": "http://ana:clave@x"},
        {"url": "http://x?query=y"},
        {"url": "http://x", "queue_messages": "a{b}"},
        {"url": "http://x", "scrape": timedelta(0)},
        {"url": "http://x", "token": Secret(env="A"), "login": Login(user="b")},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        PrometheusSettings(**settings)
