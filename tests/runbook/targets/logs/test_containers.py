"""Docker's and Kubernetes' logs against recorded API contracts: no engine and no cluster is here.

The server answers as Docker Engine API 1.44 (ContainerList, ContainerLogs, and the stream format of ContainerAttach)
and the Kubernetes API (core/v1 Pod list and read log) document.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import LogAccess, Secret, Size
from runbook.targets.logs.docker import Frames
from tests.runbook.targets.logs.saying import SERVICE, line, logs, moment, stamp
from tests.runbook.targets.servers_http import Asked, answering

LABEL = "com.docker.swarm.service.name=procesamiento"


def frame(stream: int, words: str) -> bytes:
    content = words.encode()
    return struct.pack(">BxxxL", stream, len(content)) + content


def framed() -> bytes:
    return (
        frame(1, f"{stamp(30)} {line('Procesados 10 eventos', level='INFO', age=30)}\n")
        + frame(2, f"{stamp(20)} {line('Falló el intento 7', age=20)}\n")
        + frame(2, f"{stamp(10)} Traceback (most recent call last):\n")
        + frame(2, f'{stamp(10)}   File "worker.py", line 3\n{stamp(10)} ')
        + frame(2, "psycopg.OperationalError: connection refused\n")
    )


def engine(logs_of: Callable[[str], bytes | tuple[int, Any]]) -> Callable[[Asked], tuple[int, Any]]:
    def answer(asked: Asked) -> tuple[int, Any]:
        if asked.path == "/containers/json":
            return 200, [
                {"Id": "a" * 64, "Names": ["/procesamiento.1"]},
                {"Id": "b" * 64, "Names": ["/procesamiento.2"]},
            ]
        said = logs_of(asked.path.split("/")[2][0])
        return said if isinstance(said, tuple) else (200, said)

    return answer


class TestFrames:
    def test_any_cut_gives_the_same(self) -> None:
        whole = framed()
        expected = Frames().feed(whole)
        assert expected.count(b"\n") == 5
        for size in (1, 3, 8, 9, 64):
            frames = Frames()
            assert b"".join(frames.feed(whole[at : at + size]) for at in range(0, len(whole), size)) == expected

    def test_a_terminal_has_no_frames(self) -> None:
        frames = Frames()
        assert frames.feed(b"2026-11-24T") + frames.feed(b"10:00:00Z hola\n") == b"2026-11-24T10:00:00Z hola\n"


class TestDocker:
    def test_every_container_is_a_replica(self) -> None:
        with answering(engine(lambda name: framed() if name == "a" else b"")) as server:
            found = logs(f"docker+http://{server.netloc}?label={LABEL}").errors(SERVICE)
        assert (found.lines, found.errors, found.whole) == (4, 2, True), "a traceback is one error"
        assert {g.shape: g.kind for g in found.groups} == {
            "Falló el intento ‹n›": "other",
            "psycopg.OperationalError: connection refused": "database",
        }
        assert {g.replicas for g in found.groups} == {("procesamiento.1",)}
        listed, first = server.asked[:2]
        assert json.loads(listed.query["filters"]) == {"label": [LABEL]}
        assert listed.query["all"] == "true"
        assert first.query["timestamps"] == first.query["stderr"] == "true"
        assert abs(float(first.query["since"]) - moment(300).timestamp()) < 5

    def test_over_the_engines_socket(self, tmp_path: Path) -> None:
        with answering(engine(lambda _: framed()), tmp_path / "docker.sock"):
            found = logs(f"docker://{tmp_path}/docker.sock?name=procesamiento").errors(SERVICE)
        assert [g.by_replica for g in found.groups] == [{"procesamiento.1": 1, "procesamiento.2": 1}] * 2

    def test_only_the_newest_bytes_are_kept(self) -> None:
        many = b"".join(frame(1, f"{stamp(200 - n / 10)} {line('Mal', age=200 - n / 10)}\n") for n in range(1000))
        with answering(engine(lambda name: many if name == "a" else b"")) as server:
            found = logs(f"docker+http://{server.netloc}?name=x", max_bytes=Size(20_000)).errors(SERVICE)
        assert not found.whole
        assert 100 < found.errors < 140
        assert found.groups[0].last > moment(105)

    def test_one_that_cannot_be_read_hides_nothing_of_the_other(self) -> None:
        with answering(engine(lambda name: framed() if name == "a" else (500, {"message": "kaputt"}))) as server:
            found = logs(f"docker+http://{server.netloc}?name=x").errors(SERVICE)
        assert found.errors == 2
        assert len(found.unseen) == 1
        assert "kaputt" in found.unseen[0]

    def test_one_that_is_gone_by_now_is_gone(self) -> None:
        with answering(engine(lambda name: framed() if name == "a" else (404, {"message": "no such"}))) as server:
            assert logs(f"docker+http://{server.netloc}?name=x").errors(SERVICE).unseen == ()

    def test_no_container_is_no_silence(self) -> None:
        with answering(lambda _: (200, [])) as server, pytest.raises(ProbeError) as caught:
            logs(f"docker+http://{server.netloc}?name=nadie").errors(SERVICE)
        assert caught.value.kind is ProbeFailure.ABSENT

    def test_a_driver_that_cannot_be_read_is_told(self) -> None:
        refused = (501, {"message": "configured logging driver does not support reading"})
        with (
            answering(engine(lambda _: refused)) as server,
            pytest.raises(ProbeError, match="does not support") as caught,
        ):
            logs(f"docker+http://{server.netloc}?name=x").errors(SERVICE)
        assert caught.value.code == "501"

    def test_a_socket_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ProbeError) as caught:
            logs(f"docker://{tmp_path}/none.sock?name=x").errors(SERVICE)
        assert caught.value.kind is ProbeFailure.REFUSED


def pod(name: str, *containers: str, statuses: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "muses"},
        "spec": {"containers": [{"name": container} for container in containers]},
        "status": {"phase": "Running", "containerStatuses": list(statuses)},
    }


class TestKubernetes:
    @staticmethod
    def cluster(*pods: dict[str, Any]) -> Callable[[Asked], tuple[int, Any]]:
        def answer(asked: Asked) -> tuple[int, Any]:
            if asked.headers.get("Authorization") != "Bearer prueba-token":
                return 401, {"kind": "Status", "message": "Unauthorized"}
            if not asked.path.endswith("/log"):
                return 200, {"kind": "PodList", "items": list(pods)}
            said = "antes de caer" if asked.query.get("previous") == "true" else "ahora"
            return 200, f"{stamp(15)} {line(f'Falló {said}', age=15)}\n"

        return answer

    def ask(self, netloc: str, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("PRUEBA_TOKEN", "prueba-token")
        access = {netloc: LogAccess(token=Secret(env="PRUEBA_TOKEN"))}
        return logs(f"k8s+http://{netloc}/muses?selector=app=procesamiento", access=access).errors(SERVICE)

    def test_all_containers_of_all_pods_and_what_crashed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        crashed = {
            "name": "app",
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "finishedAt": stamp(20)}},
        }
        unborn = {"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff"}}, "lastState": {}}
        pods = (
            pod("proc-0", "app", "sidecar"),
            pod("proc-1", "app", statuses=(crashed,)),
            pod("proc-2", "app", statuses=(unborn,)),
        )
        with answering(self.cluster(*pods)) as server:
            found = self.ask(server.netloc, monkeypatch)
        assert {g.shape: g.by_replica for g in found.groups} == {
            "Falló ahora": {"proc-0/app": 1, "proc-0/sidecar": 1, "proc-1": 1},
            "Falló antes de caer": {"proc-1": 1},
        }
        listed, *read = server.asked
        assert (listed.path, listed.query["labelSelector"]) == ("/api/v1/namespaces/muses/pods", "app=procesamiento")
        [first] = [asked for asked in read if asked.query["container"] == "sidecar"]
        assert first.path == "/api/v1/namespaces/muses/pods/proc-0/log"
        assert first.query["timestamps"] == "true"
        assert "limitBytes" not in first.query, "it keeps the oldest"
        assert int(first.query["tailLines"]) > 1000

    def test_no_pod_is_no_silence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with answering(self.cluster()) as server, pytest.raises(ProbeError, match="app=procesamiento") as caught:
            self.ask(server.netloc, monkeypatch)
        assert caught.value.kind is ProbeFailure.ABSENT

    def test_without_a_right_it_is_denied(self) -> None:
        with answering(self.cluster()) as server, pytest.raises(ProbeError) as caught:
            logs(f"k8s+http://{server.netloc}/muses?selector=app=x").errors(SERVICE)
        assert caught.value.kind is ProbeFailure.DENIED

    def test_outside_a_cluster_its_inside_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        with pytest.raises(ProbeError, match="is no pod"):
            logs("k8s://muses?selector=app=x").errors(SERVICE)
