"""What every process manager's adapter must do, tried on each of them in the same words.

supervisor, systemd (two booted hosts over SSH) and the site's command are real. Docker's Swarm and Compose and
Kubernetes are servers that answer as their API's documentation says, and have never run a container.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from runbook.errors import ActionError
from tests.runbook.targets.workers.grounds import Ground, asked_for, do, number, own, up
from tests.runbook.targets.workers.servers_docker import SERVICE

KEEPERS = {
    "supervisor": "supervisor",
    "systemd": "systemd",
    "command": "command",
    "command with scale": "command",
    "swarm": "Docker Swarm",
    "compose": "Docker Compose",
    "kubernetes": "Kubernetes",
}
_FIXTURES = ("supervisor", "systemd", "command", "command_with_scale", "swarm_daemon", "compose_daemon", "cluster")

pytestmark = pytest.mark.usefixtures("at_once")


@pytest.fixture(params=_FIXTURES)
def ground(request: pytest.FixtureRequest) -> Ground:
    """Each ground, with two replicas up."""
    found: Any = request.getfixturevalue(request.param)
    ground: Ground = found[0] if isinstance(found, tuple) else found
    ground.reset()
    return ground


def refused(ground: Ground, operation: str, fingerprint: dict[str, Any] | None = None, **arguments: Any) -> str:
    """Why it is refused; nothing was changed by it."""
    settings = arguments.pop("settings", {})
    before = ground.changes()
    with pytest.raises(ActionError) as caught:
        do(ground.workers(**settings), operation, fingerprint, **arguments)
    assert caught.value.refused
    assert ground.changes() == before
    return str(caught.value)


def test_how_many_how_healthy_since_when(ground: Ground) -> None:
    workers = ground.workers()
    running = up(workers)
    assert len(running) == 2
    assert {replica.keeper for replica in running} == {KEEPERS[ground.name]}
    assert all(replica.state == "RUNNING" and not replica.problem for replica in running)
    assert len({replica.name for replica in own(workers)}) == len(own(workers))
    told = [replica.since for replica in running if replica.since is not None]
    assert all(timedelta(0) <= since < timedelta(minutes=10) for since in told)
    assert told or ground.name.startswith("command")
    known = number(workers)
    assert (known.wanted, known.running, known.unseen, known.owner) == (2, 2, (), "")
    assert known.numbered is ground.numbered


def test_scaling_and_its_undo(ground: Ground) -> None:
    workers = ground.workers()
    done = do(workers, "scale", asked_for(workers), service=SERVICE, to=4)
    assert (done["running"], done["running_before"]) == (4, 2)
    assert len(up(workers)) == 4
    assert number(workers).wanted == 4
    undone = do(workers, "scale", {"running": 4}, service=SERVICE, to=2)
    assert (undone["running"], undone["running_before"]) == (2, 4)
    assert len(up(workers)) == 2


def test_what_must_not_be_is_refused_before_anything_changes(ground: Ground) -> None:
    assert "running was 3 when the plan was made and is 2 now" in refused(
        ground, "scale", {"running": 3}, service=SERVICE, to=4
    )
    assert "1 to 3 replicas" in refused(
        ground, "scale", {"running": 2}, service=SERVICE, to=4, settings={"max_replicas": 3}
    )
    assert "replicas" in refused(ground, "scale", {"running": 2}, service=SERVICE, to=-1)
    assert "no service" in refused(ground, "scale", {"running": 2}, service="otro", to=1)
    assert "no replica" in refused(ground, "restart", {}, name="otro")
    name = up(ground.workers())[0].name
    assert "when the plan was made" in refused(ground, "restart", {"life": "otra", "state": "STOPPED"}, name=name)


def test_the_connections_that_more_replicas_need_are_counted(ground: Ground) -> None:
    budget = {"connections_per_replica": 5, "max_connections": 18}
    said = refused(ground, "scale", {"running": 2}, service=SERVICE, to=4, settings=budget)
    assert "2 more replicas need 10 connections; 8 are free" in said


def test_restarting_all_one_at_a_time(ground: Ground) -> None:
    workers = ground.workers()
    before = {(replica.pid, replica.life) for replica in up(workers)}
    done = do(workers, "roll", asked_for(workers), service=SERVICE)
    after = {(replica.pid, replica.life) for replica in up(workers)}
    assert len(done["restarted"]) == len(after) == 2
    assert not before & after
    assert ground.at_least() >= 1


def test_probes_change_nothing(ground: Ground) -> None:
    before = ground.changes()
    workers = ground.workers()
    workers.replicas()
    workers.services()
    rights = workers.rights()
    assert {right.identity for right in rights} == {"reader", "operator"}
    assert all(right.held for right in rights)
    assert ground.changes() == before
