"""What only Docker has: version indexes, modes, update settings; Compose's labels and what it cannot do.

Against a server that answers as the Engine API's documentation says (``servers_docker``); no daemon has seen this.
"""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import ActionError, ProbeFailure
from runbook.settings.workers import DockerSettings
from runbook.targets.workers import waiting
from tests.runbook.targets.servers_network import fixed_answer, refused_port, silent_port, tls_in_front_of
from tests.runbook.targets.workers.failing import failing, refusal
from tests.runbook.targets.workers.grounds import COMPOSE, Ground, asked_for, do, own, up
from tests.runbook.targets.workers.servers_docker import SERVICE, Daemon, docker

pytestmark = pytest.mark.usefixtures("at_once")
Made = tuple[Ground, Daemon]


@pytest.fixture
def swarm(swarm_daemon: Made) -> Made:
    swarm_daemon[0].reset()
    return swarm_daemon


@pytest.fixture
def compose(compose_daemon: Made) -> Made:
    compose_daemon[0].reset()
    return compose_daemon


class TestSwarm:
    """A number that the managers keep."""

    def test_an_update_of_an_older_version_is_refused(self, swarm: Made) -> None:
        ground, daemon = swarm
        workers = ground.workers()
        plan = asked_for(workers)
        daemon.meddles = True
        assert "changed by somebody else" in refusal(lambda: do(workers, "scale", plan, service=SERVICE, to=4))
        daemon.meddles = False
        assert "version was 100" in refusal(lambda: do(workers, "scale", plan, service=SERVICE, to=4))

    def test_a_failure_that_is_no_conflict_stays_a_failure(self, swarm: Made) -> None:
        ground, daemon = swarm
        workers = ground.workers()
        daemon.answers["POST"] = (500, {"message": "rpc error: code = DeadlineExceeded"})
        error = failing(lambda: do(workers, "scale", asked_for(workers), service=SERVICE, to=4))
        assert (error.kind, error.code) == (ProbeFailure.BROKEN, "500")
        assert "DeadlineExceeded" in str(error)

    def test_one_replica_is_not_restarted_alone_nor_stopped(self, swarm: Made) -> None:
        workers = swarm[0].workers()
        name = up(workers)[0].name
        assert "use roll" in refusal(lambda: do(workers, "restart", {}, name=name))
        assert "scale" in refusal(lambda: do(workers, "stop", {}, name=name))

    def test_an_update_of_several_at_a_time_is_no_restart_in_turn(self, swarm: Made) -> None:
        ground, daemon = swarm
        daemon.service["Spec"]["UpdateConfig"] = {"Parallelism": 0}
        workers = ground.workers()
        assert "0 replicas at a time" in refusal(lambda: do(workers, "roll", asked_for(workers), service=SERVICE))

    def test_a_global_service_has_no_number(self, swarm: Made) -> None:
        ground, daemon = swarm
        daemon.service["Spec"]["Mode"] = {"Global": {}}
        workers = ground.workers()
        assert "belongs to Swarm: Global" in refusal(lambda: do(workers, "scale", {}, service=SERVICE, to=4))

    def test_tasks_that_do_not_come_up_fail_the_change_in_its_time(self, swarm: Made) -> None:
        ground, daemon = swarm
        daemon.never_ready = True
        workers = ground.workers(patience=timedelta(0))
        with pytest.raises(ActionError) as caught:
            do(workers, "scale", asked_for(workers), service=SERVICE, to=3)
        assert not caught.value.refused
        assert "2/3" in str(caught.value)

    def test_a_task_whose_forerunner_fell_is_falling(self, swarm: Made) -> None:
        ground, daemon = swarm
        daemon.never_ready = True
        fallen = daemon.tasks[0]
        fallen["DesiredState"], fallen["Status"] = "shutdown", {"State": "failed", "Err": "task: non-zero exit (3)"}
        daemon.tasks.append({**daemon.tasks[1], "ID": "t9", "Slot": 1, "Status": {"State": "starting"}})
        fallen["Status"]["State"] = "failed"
        daemon._step = lambda: None  # type: ignore[method-assign]
        try:
            [first] = [replica for replica in own(ground.workers()) if not replica.running]
        finally:
            del daemon._step
        assert (first.state, first.restarts) == ("BACKOFF", 1)
        assert "non-zero exit (3)" in first.problem

    def test_a_node_that_is_no_manager_says_so(self, swarm: Made) -> None:
        ground, daemon = swarm
        daemon.swarm = False
        error = failing(ground.workers().replicas)
        assert (error.kind, error.code) == (ProbeFailure.BROKEN, "503")
        assert "not a swarm manager" in str(error)

    def test_a_swarm_without_the_service_is_no_empty_one(self, swarm: Made) -> None:
        assert failing(swarm[0].workers(processing="servicio").replicas).kind is ProbeFailure.ABSENT


class TestCompose:
    """Containers by their labels."""

    def test_new_containers_are_made_by_compose_alone(self, compose: Made) -> None:
        workers = compose[0].workers(max_replicas=8)
        said = refusal(lambda: do(workers, "scale", {"running": 2}, service=SERVICE, to=6))
        assert "has 5 replicas that can be started, not 6" in said
        assert "docker compose -p muses up -d --no-recreate --scale" in said
        assert compose[0].changes() == 0

    def test_states(self, compose: Made) -> None:
        ground, daemon = compose
        said: dict[str, dict[str, Any]] = {
            "c1": {"Status": "running", "Health": {"Status": "unhealthy"}},
            "c2": {"Status": "running", "Health": {"Status": "starting"}},
            "c3": {"Status": "exited", "ExitCode": 137, "OOMKilled": True},
            "c4": {"Status": "restarting", "ExitCode": 1},
            "c5": {"Status": "paused"},
        }
        for name, state in said.items():
            daemon.containers[name]["State"].update(state)
        told = own(ground.workers())
        assert [r.state for r in told] == ["RUNNING", "STARTING", "EXITED", "BACKOFF", "PAUSED"]
        assert [r.well for r in told] == [False] * 5
        assert [r.problem for r in told][0::2] == [
            "unhealthy",
            "killed for lack of memory (exit code 137)",
            "exit code 0",
        ]

    def test_an_interrupt_lets_one_come_up_and_begins_no_other(
        self, compose: Made, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workers, came_up = compose[0].workers(), waiting.Waiting.came_up

        def interrupted(self: Any, step: str, name: str) -> Any:
            workers.interrupt()
            return came_up(self, step, name)

        monkeypatch.setattr(waiting.Waiting, "came_up", interrupted)
        before = [r.life for r in up(workers)]
        with pytest.raises(ActionError, match="interrupted: 1 of 2 are restarted"):
            do(workers, "roll", {"running": 2}, service=SERVICE)
        after = [r.life for r in up(workers)]
        assert (before[0] != after[0], before[1] == after[1]) == (True, True)

    def test_those_of_compose_run_are_none(self, compose: Made) -> None:
        assert [r.name for r in own(compose[0].workers())] == [f"muses-{SERVICE}-{n}" for n in range(1, 6)]

    def test_a_container_that_does_not_become_healthy_fails(self, compose: Made) -> None:
        ground, daemon = compose
        daemon.containers["c3"]["State"]["Health"] = {"Status": "unhealthy"}
        daemon.containers["c3"]["Config"]["StopTimeout"] = 0
        with pytest.raises(ActionError) as caught:
            do(ground.workers(), "start", {}, name=f"muses-{SERVICE}-3")
        assert not caught.value.refused

    def test_a_project_without_containers_is_no_empty_one(self, compose: Made) -> None:
        other = compose[0].workers(docker=DockerSettings(project="otro"))
        assert failing(other.replicas).kind is ProbeFailure.ABSENT


def test_over_tcp_with_and_without_tls(compose: Made, tmp_path: Path) -> None:
    ground = compose[0]
    with docker() as (_, port), tls_in_front_of(port, tmp_path) as (secure, authority):
        assert len(up(ground.workers(url=f"http://127.0.0.1:{port}"))) == 2
        proven = DockerSettings(project=COMPOSE, cafile=authority)
        assert len(up(ground.workers(url=f"https://localhost:{secure}", docker=proven))) == 2
        unproven = ground.workers(url=f"https://localhost:{secure}")
        assert failing(unproven.replicas).kind is ProbeFailure.TLS


def test_each_failure_has_its_kind_in_time(compose: Made, tmp_path: Path) -> None:
    ground = compose[0]
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    with silent_port() as silent, fixed_answer(large) as other:
        cases = {
            f"unix://{tmp_path}/absent.sock": ProbeFailure.REFUSED,
            f"http://127.0.0.1:{refused_port()}": ProbeFailure.REFUSED,
            f"http://127.0.0.1:{silent}": ProbeFailure.SILENT,
            f"http://127.0.0.1:{other}": ProbeFailure.BROKEN,
        }
        for url, kind in cases.items():
            began = time.monotonic()
            assert (failing(ground.workers(url=url).replicas).kind, time.monotonic() - began < 4) == (kind, True), url


def test_whoever_may_not_use_the_socket_is_told_how(compose: Made) -> None:
    ground, daemon = compose
    daemon.answers["GET /version"] = (403, {"message": "no"})
    [reader, operator] = ground.workers().rights()
    assert (reader.held, operator.held) == (False, False)
    assert "usermod -aG docker" in reader.mend
