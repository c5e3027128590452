"""QUEUE-01 on template units of two booted hosts: diagnosis, plan, steps and their undo, over real SSH.

The process manager is real. Queue and database are told, so that their numbers are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from checks.queue import check_queue_does_not_grow, restore_consumers
from runbook.errors import ActionError
from runbook.model import Finding, Proof, Step
from runbook.probes import Readings, reading_through
from runbook.settings import HostsSettings, WorkersSettings
from runbook.settings.workers import SystemdSettings
from runbook.targets.workers import waiting
from runbook.targets.workers.workers import Workers
from tests.booted_hosts import BootedHost
from tests.checks import fakes
from tests.checks.fakes import PROCESSING, Told, connections, errors, line, queue
from tests.runbook.targets.workers.grounds import own_connections

UNIT = """[Unit]
Description=Initial processing, replica %i
[Service]
ExecStart=/bin/sleep 1000
"""


@pytest.fixture(scope="module")
def workers(booted_hosts: tuple[BootedHost, ...]) -> Iterator[Workers]:
    """The service as template units, none of which runs; each replica holds five connections."""
    for host in booted_hosts:
        host.write(f"/etc/systemd/system/{PROCESSING}@.service", UNIT)
        host.run("systemctl daemon-reload")
    ways = HostsSettings(addresses=tuple(host.address for host in booted_hosts), ssh_config=booted_hosts[0].ssh_config)
    settings = WorkersSettings(
        kind="systemd",
        queue=fakes.QUEUE,
        max_replicas=8,
        connections_per_replica=5,
        systemd=SystemdSettings(per_host=4),
    )
    with own_connections():
        yield Workers("workers", settings, environment="lab", hosts=ways)
    for host in booted_hosts:
        host.run(f"systemctl stop '{PROCESSING}@*.service'; rm -f /etc/systemd/system/{PROCESSING}@.service")
        host.run("systemctl daemon-reload")


def looked(workers: Workers, *, held: int = 4, **queue_changes: Any) -> tuple[dict[str, Finding], list[Step]]:
    """The findings and the plan; each reading is taken once, as in a run."""
    with reading_through(Readings()):
        found = fakes.diagnosed(
            check_queue_does_not_grow,
            broker=Told(queues=(queue(*line(0, 900), **queue_changes),), consumers=()),
            workers=workers,
            logs=Told(errors=errors()),
            database=Told(connections=connections(held, 40), sessions=()),
        )
        return found, list(restore_consumers(found, workers))


def states(hosts: tuple[BootedHost, ...]) -> dict[str, list[str]]:
    """What systemd itself says, without the adapter."""
    show = f"systemctl list-units --no-legend --plain --state=active '{PROCESSING}@*.service'"
    return {host.name: [row.split("@")[1][0] for row in host.run(show).splitlines()] for host in hosts}


def test_what_is_down_is_started_and_what_is_too_few_is_scaled_and_taken_back(
    workers: Workers, booted_hosts: tuple[BootedHost, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "STEADY", timedelta(0))
    down, [start] = looked(workers, consumers=0, acknowledge_rate=0.0)
    assert down["initial_processing_is_down"].proof is Proof.CONFIRMED
    assert down["initial_processing_is_down"].evidence[0].source == "systemd"
    workers.perform(start)
    assert states(booted_hosts) == {"host1": ["1"], "host2": []}

    few, [scale] = looked(workers, held=30, consumers=2, arrival_rate=200.0, acknowledge_rate=40.0)
    said = [str(evidence.statement) for evidence in few["too_few_consumers"].evidence]
    assert "5 more replicas need 25 connections; 10 are free" in said
    assert (scale.fingerprint, scale.arguments["to"]) == ({"running": 1}, 3)
    workers.perform(scale)
    assert states(booted_hosts) == {"host1": ["1", "2"], "host2": ["1"]}
    with pytest.raises(ActionError, match="running was 1 when the plan was made and is 3 now"):
        workers.perform(scale)

    assert scale.undo is not None
    assert scale.undo.arguments["to"] == 1
    workers.perform(scale.undo)
    assert start.undo is not None
    workers.perform(start.undo)
    assert states(booted_hosts) == {"host1": [], "host2": []}
