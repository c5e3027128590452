"""Loki and Elasticsearch/OpenSearch against recorded API contracts: no such server is here.

The server answers as Loki's HTTP API (``query_range`` of streams, ``series``) and the search API that Elasticsearch 8
and OpenSearch 2 share document it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import LogAccess, Login, Secret, Size
from runbook.targets.logs import loki
from tests.runbook.targets.logs.saying import SERVICE, line, logs, moment, stamp
from tests.runbook.targets.servers_http import Asked, answering

QUERY = '{app="procesamiento"}'


def entry(age: int) -> int:
    """When it was said, in Loki's nanoseconds. Asked within a test: a run of all tests is longer than the window."""
    return int(moment(age).timestamp() * 1e9)


def streams(asked: Asked, entries: list[list[Any]], **labels: str) -> tuple[int, Any]:
    """What Loki answers: those of its entries that are within, newest first, at most the limit."""
    inside = [e for e in entries if int(asked.query["start"]) <= int(e[0]) < int(asked.query["end"])]
    newest = sorted(inside, key=lambda e: -int(e[0]))[: int(asked.query["limit"])]
    result = [{"stream": {"app": "procesamiento", **labels}, "values": newest}] if newest else []
    return 200, {"status": "success", "data": {"resultType": "streams", "result": result, "stats": {}}}


class TestLoki:
    @staticmethod
    def server(entries: list[list[Any]], *, series: bool = True, **labels: str) -> Callable[[Asked], tuple[int, Any]]:
        def answer(asked: Asked) -> tuple[int, Any]:
            if asked.path == "/loki/api/v1/series":
                return 200, {"status": "success", "data": [{"app": "procesamiento"}] if series else []}
            return streams(asked, entries, **labels)

        return answer

    def test_errors_are_read_by_replica(self) -> None:
        said = [
            [str(entry(4)), line("Falló 4", age=4)],
            [str(entry(10)), line("Procesados 3", level="INFO", age=10), {"trace_id": "abc"}],
        ]
        with answering(self.server(said, pod="proc-0")) as server:
            access = {server.netloc: LogAccess(tenant="muses")}
            found = logs(f"loki+http://{server.netloc}?query={QUERY}", access=access).errors(SERVICE)
        assert (found.lines, found.errors, found.whole) == (2, 1, True)
        assert found.groups[0].replicas == ("proc-0",)
        [asked] = server.asked
        assert (asked.path, asked.query["query"], asked.query["direction"]) == (
            "/loki/api/v1/query_range",
            QUERY,
            "backward",
        )
        assert abs(int(asked.query["start"]) / 1e9 - moment(300).timestamp()) < 5
        assert asked.headers["X-Scope-OrgID"] == "muses"

    def test_a_text_line_has_the_level_of_its_stream(self) -> None:
        with answering(self.server([[str(entry(1)), "no conecta"]], detected_level="error")) as server:
            [group] = logs(f"loki+http://{server.netloc}?query={QUERY}").errors(SERVICE).groups
        assert group.shape == "no conecta"

    def test_pages_are_put_together_also_where_times_are_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loki, "PAGE", 4)
        same = entry(9)
        said = [[str(entry(age)), f"ERROR número {age}"] for age in range(1, 9)] + [
            [str(same), f"ERROR {n}"] for n in "abc"
        ]
        with answering(self.server(said)) as server:
            found = logs(f"loki+http://{server.netloc}?query={QUERY}").errors(SERVICE)
        assert (found.errors, found.whole) == (11, True)
        assert len(server.asked) == 4

    def test_more_than_may_be_read_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loki, "PAGE", 4)
        said = [[str(entry(age)), "ERROR " + "x" * 100] for age in range(1, 31)]
        with answering(self.server(said)) as server:
            found = logs(f"loki+http://{server.netloc}?query={QUERY}", max_bytes=Size(500)).errors(SERVICE)
        assert not found.whole
        assert found.errors == 7

    @pytest.mark.parametrize("known", [True, False])
    def test_silence_and_a_wrong_selector_are_told_apart(self, known: bool) -> None:
        with answering(self.server([], series=known)) as server:
            target = logs(f'loki+http://{server.netloc}?query={QUERY}|="Falló"')
            if known:
                assert target.errors(SERVICE).lines == 0
                assert server.asked[1].query["match[]"] == QUERY
                return
            with pytest.raises(ProbeError, match="no stream") as caught:
                target.errors(SERVICE)
        assert caught.value.kind is ProbeFailure.ABSENT

    def test_a_query_for_numbers_is_refused(self) -> None:
        answer = {"status": "success", "data": {"resultType": "matrix", "result": []}}
        with answering(lambda _: (200, answer)) as server, pytest.raises(ProbeError, match="no query for lines"):
            logs(f"loki+http://{server.netloc}?query=rate({QUERY}[5m])").errors(SERVICE)

    def test_yesterday_is_asked_for(self) -> None:
        def answer(asked: Asked) -> tuple[int, Any]:
            at = int(asked.query["start"]) + 1_000_000_000
            return streams(asked, [[str(at + n), f"ERROR {n}"] for n in range(6)])

        with answering(answer) as server:
            usual = logs(f"loki+http://{server.netloc}?query={QUERY}").usual(SERVICE)
        assert (usual.errors, usual.lines, usual.per_minute) == (6, 6, 0.1)
        assert abs(int(server.asked[0].query["end"]) / 1e9 - moment(86400).timestamp()) < 5

    def test_a_yesterday_that_is_not_kept_is_blind(self) -> None:
        with answering(self.server([])) as server, pytest.raises(ProbeError, match="yesterday") as caught:
            logs(f"loki+http://{server.netloc}?query={QUERY}").usual(SERVICE)
        assert caught.value.kind is ProbeFailure.BLIND


def hit(**source: Any) -> dict[str, Any]:
    return {"_index": "muses-2026.11.24", "_id": "1", "_score": None, "_source": source, "sort": [1]}


def found_of(*hits: dict[str, Any], failed: int = 0, timed_out: bool = False) -> dict[str, Any]:
    shards = {"total": 5, "successful": 5 - failed, "skipped": 0, "failed": failed}
    return {"took": 3, "timed_out": timed_out, "_shards": shards, "hits": {"max_score": None, "hits": list(hits)}}


class TestElastic:
    def test_documents_of_every_form(self, tmp_path: Path) -> None:
        (tmp_path / "clave").write_text("clave-de-prueba\n")
        hits = (
            hit(**{"@timestamp": stamp(5), "message": line("Falló 1", age=5), "host": {"name": "app1"}}),
            hit(**{"@timestamp": stamp(6), "log.level": "error", "message": "Falló 2", "host.name": "app2"}),
            hit(
                **{"@timestamp": stamp(7), "log": {"level": "ERROR"}, "message": "Sin BD"},
                error={"message": "FATAL: too many connections for role"},
                kubernetes={"pod": {"name": "proc-0"}},
            ),
            hit(**{"@timestamp": stamp(8), "level": "INFO", "message": "bien"}),
        )
        login = Login(user="lector", password=Secret(file=tmp_path / "clave"))
        with answering(lambda _: (200, found_of(*hits))) as server:
            access = {server.netloc: LogAccess(login=login)}
            address = f"es+http://{server.netloc}/muses-*?query=service.name:procesamiento"
            found = logs(address, access=access).errors(SERVICE)
        assert (found.lines, found.errors) == (4, 3)
        assert {g.shape: (g.count, g.replicas, g.kind) for g in found.groups} == {
            "Falló ‹n›": (2, ("app1", "app2"), "other"),
            "Sin BD — FATAL: too many connections for role": (1, ("proc-0",), "database"),
        }
        [asked] = server.asked
        assert (asked.method, asked.path) == ("POST", "/muses-*/_search")
        assert asked.headers["Authorization"] == "Basic " + base64.b64encode(b"lector:clave-de-prueba").decode()
        assert asked.body["sort"][0]["@timestamp"]["order"] == "desc"
        assert {"@timestamp", "message", "log.level", "host.name", "id_subsistema"} <= set(asked.body["_source"])
        span, query = asked.body["query"]["bool"]["filter"]
        assert span["range"]["@timestamp"].keys() == {"gte", "lte", "format"}
        assert query == {"query_string": {"query": "service.name:procesamiento"}}

    @pytest.mark.parametrize("partial", [{"failed": 2}, {"timed_out": True}])
    def test_an_answer_in_part_is_no_answer(self, partial: dict[str, Any]) -> None:
        with answering(lambda _: (200, found_of(**partial))) as server, pytest.raises(ProbeError, match="in part only"):
            logs(f"es+http://{server.netloc}/muses-*").errors(SERVICE)

    @pytest.mark.parametrize(
        ("status", "kind"), [(404, ProbeFailure.ABSENT), (403, ProbeFailure.DENIED), (302, ProbeFailure.BROKEN)]
    )
    def test_refusals(self, status: int, kind: ProbeFailure) -> None:
        refusal = {"error": {"type": "index_not_found_exception", "reason": "no such index"}, "status": status}
        with (
            answering(lambda _: (status, refusal)) as server,
            pytest.raises(ProbeError, match="no such index") as caught,
        ):
            logs(f"es+http://{server.netloc}/nada").errors(SERVICE)
        assert caught.value.kind is kind

    def test_something_else_than_its_json(self) -> None:
        with answering(lambda _: (200, "<html>")) as server, pytest.raises(ProbeError, match="something else"):
            logs(f"es+http://{server.netloc}/x").errors(SERVICE)

    def test_a_personal_datum_in_a_document_is_masked(self) -> None:
        said = hit(**{"@timestamp": stamp(5), "level": "ERROR", "message": "Rechazado XEXX990231HDFXXX09"})
        with answering(lambda _: (200, found_of(said))) as server:
            found = logs(f"es+http://{server.netloc}/muses-*").errors(SERVICE)
        assert "XEXX990231" not in json.dumps((*found.groups[0].sample, found.groups[0].shape))


class TestSeveralSources:
    def test_one_that_cannot_be_read_hides_nothing_of_the_others(self, tmp_path: Path) -> None:
        (tmp_path / "uno.log").write_text(line("Falló") + "\n")
        with answering(lambda _: (503, "no")) as server:
            found = logs(f"{tmp_path}/uno.log", f"es+http://{server.netloc}/muses").errors(SERVICE)
        assert found.errors == 1
        assert len(found.unseen) == 1
        assert "503" in found.unseen[0]

    def test_where_none_can_be_read_it_is_an_error(self) -> None:
        with answering(lambda _: (503, "no")) as server, pytest.raises(ProbeError, match="503"):
            logs(f"es+http://{server.netloc}/a", f"es+http://{server.netloc}/b").errors(SERVICE)
