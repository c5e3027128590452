"""The grounds, each made once for the modules that use it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from runbook.targets.workers import waiting
from tests.runbook.targets.workers import grounds
from tests.runbook.targets.workers.grounds import Ground
from tests.runbook.targets.workers.servers_docker import Daemon
from tests.runbook.targets.workers.servers_kubernetes import Cluster


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas count as up at once, and one that does not come up has hardly more than its own time."""
    monkeypatch.setattr(waiting, "STEADY", timedelta(0))
    monkeypatch.setattr(waiting, "GRACE", timedelta(seconds=0.3))
    monkeypatch.setattr(waiting, "POLL", 0.02)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("w")


@pytest.fixture(scope="module")
def supervisor(folder: Path) -> Iterator[Ground]:
    with grounds.on_supervisor(folder) as ground:
        yield ground


@pytest.fixture(scope="module")
def systemd(booted_hosts: tuple[grounds.BootedHost, ...]) -> Iterator[Ground]:
    with grounds.own_connections(), grounds.on_systemd(booted_hosts) as ground:
        yield ground


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with grounds.on_commands(tmp_path_factory.mktemp("c"), scale=False) as ground:
        yield ground


@pytest.fixture(scope="module")
def command_with_scale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with grounds.on_commands(tmp_path_factory.mktemp("c"), scale=True) as ground:
        yield ground


@pytest.fixture(scope="module")
def swarm_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ground, Daemon]]:
    with grounds.on_docker(tmp_path_factory.mktemp("d"), project="") as made:
        yield made


@pytest.fixture(scope="module")
def compose_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ground, Daemon]]:
    with grounds.on_docker(tmp_path_factory.mktemp("d"), project=grounds.COMPOSE) as made:
        yield made


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ground, Cluster]]:
    with grounds.on_kubernetes(tmp_path_factory.mktemp("k")) as made:
        yield made
