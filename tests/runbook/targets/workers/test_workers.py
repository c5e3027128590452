"""The workers' probes and operations against a real supervisord."""

from __future__ import annotations

import os
import sys
import time
import xmlrpc.client
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import ActionError, NotConfigured, ProbeError, ProbeFailure
from runbook.model import Effect, Step
from runbook.settings import WorkersSettings
from runbook.targets.workers.workers import Replica, Workers
from runbook.text import text
from tests.runbook.targets.servers_network import fixed_answer, free_port, refused_port, silent_port
from tests.runbook.targets.servers_supervisor import USER, supervisord
from tests.runbook.targets.workers.failing import refusal

SERVICE = "servicio-procesamiento-inicial"
CONFIGURATION = """
[supervisord]
logfile={home}/supervisord.log
pidfile={home}/supervisord.pid
childlogdir={home}
{user}

[unix_http_server]
file={home}/s.sock

[inet_http_server]
port=127.0.0.1:{port}
username=operador
password=clave-del-supervisor

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[program:servicio-procesamiento-inicial]
command=sleep 1000
process_name=replica-%(process_num)02d
numprocs=12
numprocs_start=1
autostart=false
startsecs=1

[program:testarudo]
command={python} -c "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"
autostart=false
startsecs=1
stopwaitsecs=1

[program:fragil]
command=sh -c "echo roto >&2; exit 3"
autostart=false
startretries=0

[program:inexistente]
command=/no/existe
autostart=false
startretries=0
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a running supervisord, short enough for its socket."""
    home = tmp_path_factory.mktemp("sup")
    port = free_port()
    (home / "port").write_text(str(port))
    with supervisord(home, CONFIGURATION.format(home=home, user=USER, port=port, python=sys.executable)):
        yield home


@pytest.fixture
def workers(home: Path) -> Workers:
    """The workers with two replicas of the service running and everything else down."""
    workers = at(f"unix://{home}/s.sock")
    for replica in workers.replicas():
        wanted = replica.name in (f"{SERVICE}:replica-01", f"{SERVICE}:replica-02")
        if wanted and not replica.running:
            do(workers, "start", name=replica.name)
        if not wanted and replica.state not in ("STOPPED", "EXITED", "FATAL"):
            do(workers, "stop", name=replica.name)
    return workers


def at(url: str, **settings: Any) -> Workers:
    return Workers("workers", WorkersSettings(url=url, queue="muses.recepcion", **settings), environment="lab")


def do(workers: Workers, operation: str, fingerprint: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    step = Step(
        what=text("a step"), target="workers", operation=operation, arguments=arguments, fingerprint=fingerprint or {}
    )
    return workers.perform(step)


def of(workers: Workers, name: str) -> Replica:
    return next(r for r in workers.replicas() if r.name == name)


def running(workers: Workers) -> list[str]:
    return [r.name.removeprefix(f"{SERVICE}:") for r in workers.replicas() if r.service == SERVICE and r.running]


def test_declared_replicas_are_seen_in_the_order_people_count(workers: Workers) -> None:
    replicas = [r for r in workers.replicas() if r.service == SERVICE]
    assert [r.name for r in replicas] == [f"{SERVICE}:replica-{n:02d}" for n in range(1, 13)]
    assert [r.running for r in replicas] == [True, True] + [False] * 10
    assert all(r.declared for r in replicas)
    first = replicas[0]
    assert (first.state, first.problem) == ("RUNNING", "")
    assert first.pid is not None
    os.kill(first.pid, 0)
    assert first.since is not None
    assert timedelta(seconds=1) <= first.since < timedelta(minutes=5)
    never = replicas[-1]
    assert (never.state, never.pid) == ("STOPPED", None)


def test_the_settings_are_there_for_the_rows() -> None:
    workers = at("unix:///nowhere", max_replicas=5, connections_per_replica=2)
    assert (workers.processing, workers.consolidation) == (SERVICE, "servicio-consolidacion")
    assert (workers.queue, workers.max_replicas, workers.connections_per_replica) == ("muses.recepcion", 5, 2)


def test_start_stop_and_restart_wait_until_it_is_true(workers: Workers) -> None:
    name = f"{SERVICE}:replica-03"
    assert workers.effect_of(Step(what=text("x"), target="workers", operation="start")) is Effect.CHANGE
    state = of(workers, name).state
    started = do(workers, "start", {"state": state}, name=name)
    assert (started["state"], started["state_before"]) == ("RUNNING", state)
    assert of(workers, name).running
    restarted = do(workers, "restart", {"pid": started["pid"], "state": "RUNNING"}, name=name)
    assert restarted["pid"] not in (None, started["pid"])
    assert restarted["pid_before"] == started["pid"]
    stopped = do(workers, "stop", {"pid": restarted["pid"]}, name=name)
    assert (stopped["state"], stopped["pid"]) == ("STOPPED", None)
    since = of(workers, name).since
    assert since is not None
    assert since < timedelta(seconds=5)


def test_a_replica_that_changed_since_the_plan_is_left_alone(workers: Workers) -> None:
    name = f"{SERVICE}:replica-01"
    pid = of(workers, name).pid
    assert "pid was 1 when the plan was made" in refusal(lambda: do(workers, "restart", {"pid": 1}, name=name))
    refusal(lambda: do(workers, "stop", {"state": "STOPPED"}, name=name))
    refusal(lambda: do(workers, "stop", {"unknown": 1}, name=name))
    refusal(lambda: do(workers, "start", {}, name="otro:otro"))
    refusal(lambda: do(workers, "replicas"))
    assert of(workers, name).pid == pid


def test_a_process_that_will_not_end_is_killed_in_its_time(workers: Workers) -> None:
    started = do(workers, "start", name="testarudo:testarudo")
    restarted = do(workers, "restart", {"pid": started["pid"]}, name="testarudo:testarudo")
    assert restarted["pid"] != started["pid"]
    assert do(workers, "stop", name="testarudo:testarudo")["state"] == "STOPPED"


@pytest.mark.parametrize("name", ["fragil:fragil", "inexistente:inexistente"])
def test_a_replica_that_does_not_stay_up_is_a_failure_with_its_reason(workers: Workers, name: str) -> None:
    with pytest.raises((ActionError, ProbeError)) as caught:
        do(workers, "start", name=name)
    assert not getattr(caught.value, "refused", False)
    assert len(str(caught.value)) > 20
    assert not of(workers, name).running


def test_scaling_starts_the_lowest_and_stops_the_highest(workers: Workers) -> None:
    up = do(workers, "scale", {"running": 2}, service=SERVICE, to=5)
    assert up["running"] == 5
    assert running(workers) == [f"replica-{n:02d}" for n in range(1, 6)]
    do(workers, "stop", name=f"{SERVICE}:replica-02")
    assert do(workers, "scale", {"running": 4}, service=SERVICE, to=5)["started"] == [f"{SERVICE}:replica-02"]
    down = do(workers, "scale", {"running": 5}, service=SERVICE, to=1)
    assert (down["running"], down["running_before"]) == (1, 5)
    assert running(workers) == ["replica-01"]
    assert do(workers, "scale", {"running": 1}, service=SERVICE, to=1)["started"] == []


def test_scaling_refuses_what_must_not_be(workers: Workers) -> None:
    assert "1 to 8 replicas" in refusal(lambda: do(workers, "scale", {"running": 2}, service=SERVICE, to=9))
    refusal(lambda: do(workers, "scale", {"running": 2}, service=SERVICE, to=0))
    refusal(lambda: do(workers, "scale", {"running": 2}, service=SERVICE, to=-1))
    refusal(lambda: do(workers, "scale", {"running": 2}, service="testarudo", to=1))
    refusal(lambda: do(workers, "scale", {"running": 0}, service="testarudo", to=2))
    refusal(lambda: do(workers, "scale", {"running": 1}, service=SERVICE, to=3))
    refusal(lambda: do(workers, "scale", {"running": 0}, service="otro", to=1))
    assert running(workers) == ["replica-01", "replica-02"]


def test_http_with_a_password_and_without(home: Path, workers: Workers) -> None:
    port = (home / "port").read_text()
    by_http = at(f"http://operador:clave-del-supervisor@127.0.0.1:{port}").replicas()
    assert [r.name for r in by_http] == [r.name for r in workers.replicas()]
    with pytest.raises(ProbeError) as caught:
        at(f"http://operador:otra-clave@127.0.0.1:{port}").replicas()
    assert caught.value.kind is ProbeFailure.DENIED
    assert "otra-clave" not in str(caught.value)


def test_probes_only_read(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    send = xmlrpc.client.Transport.request

    def request(self: Any, host: Any, handler: str, body: bytes, verbose: Any = False) -> Any:
        called.append(xmlrpc.client.loads(body.decode())[1] or "")
        return send(self, host, handler, body, verbose)

    monkeypatch.setattr(xmlrpc.client.Transport, "request", request)
    workers.replicas()
    workers.rights()
    assert called
    assert all(name.startswith("supervisor.get") for name in called)


def test_each_failure_has_its_kind_in_time(home: Path, tmp_path: Path) -> None:
    nobody = tmp_path / "nobody.sock"
    with silent_port() as silent, fixed_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") as other:
        cases = {
            f"unix://{tmp_path}/absent.sock": ProbeFailure.REFUSED,
            f"unix://{_left_behind(nobody)}": ProbeFailure.REFUSED,
            f"http://127.0.0.1:{refused_port()}": ProbeFailure.REFUSED,
            f"http://127.0.0.1:{silent}": ProbeFailure.SILENT,
            "http://does-not-exist.invalid:9001": ProbeFailure.DNS,
            f"http://127.0.0.1:{other}": ProbeFailure.BROKEN,
        }
        for url, kind in cases.items():
            began = time.monotonic()
            with pytest.raises(ProbeError) as caught:
                at(url).replicas()
            assert (caught.value.kind, time.monotonic() - began < 3) == (kind, True), str(caught.value)


def test_rights_tell_the_way_in(home: Path, workers: Workers) -> None:
    assert [(r.identity, r.held) for r in workers.rights()] == [("reader", True), ("operator", True)]
    port = (home / "port").read_text()
    [reader, operator] = at(f"http://127.0.0.1:{port}").rights()
    assert (reader.held, operator.held) == (False, False)
    assert "unix_http_server" in reader.mend


def test_workers_that_are_not_configured_say_the_setting() -> None:
    with pytest.raises(NotConfigured, match=r"environments\.lab\.workers"):
        Workers("workers", None, environment="lab").replicas()


def _left_behind(path: Path) -> Path:
    """A socket's file whose owner is gone."""
    import socket

    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(path))
    return path
