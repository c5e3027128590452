"""The purge's tests share one database and one object store; every test has tables and a prefix of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procedures.purge import outlook
from runbook.targets.s3 import objects
from tests.faulty_store import FaultyStore, faulty_store
from tests.procedures.purge.ground import Ground, Servers, ground_on, servers
from tests.procedures.purge.purging import Purger, purger
from tests.procedures.purge.wire import Wire, wire_to

#: What the terminal's summary counts.
_MATRIX = ("test_kill_matrix.py", "test_lost_connections.py", "test_storage_faults.py")


def pytest_configure(config: pytest.Config) -> None:
    """The long tests have a marker of their own."""
    config.addinivalue_line("markers", "soak: takes minutes, and runs only with -m soak")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out unless they are asked for."""
    if "soak" not in config.option.markexpr:
        long = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session")
def purge_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """PostgreSQL and an S3 server, running."""
    with servers(tmp_path_factory.mktemp("purge")) as both:
        yield both


@pytest.fixture
def ground(purge_servers: Servers, tmp_path: Path) -> Iterator[Ground]:
    """Fresh, empty tables, a prefix in the archive, and a site for both."""
    with ground_on(purge_servers, tmp_path) as fresh:
        yield fresh


_clients: dict[object, Any] = {}


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage and backups are not tried before each purge, and one client serves all: both take longer than it does.

    ``test_preflight.py`` tries them.
    """
    connected = objects.connected

    def known(target: str, settings: Any, keys: Any, limits: Any) -> Any:
        by = (settings.endpoint_url, keys.access_key.file)
        if by not in _clients:
            _clients[by] = connected(target, settings, keys, limits)
        return _clients[by]

    monkeypatch.setattr(objects, "connected", known)
    monkeypatch.setattr(outlook, "_of_the_tried_storage", lambda *_: iter(()))
    monkeypatch.setattr(outlook, "_of_the_newest_backup", lambda *_: ())


@pytest.fixture(scope="session")
def forking() -> Iterator[Purger]:
    """A process that forks children which purge and are killed."""
    with purger() as process:
        yield process


@pytest.fixture(scope="session")
def faults_of_all(purge_servers: Servers) -> Iterator[FaultyStore]:
    """The storage's proxy, one for all tests."""
    with faulty_store(purge_servers.storage) as store:
        yield store


@pytest.fixture
def faults(faults_of_all: FaultyStore) -> FaultyStore:
    """The storage's proxy, without faults."""
    faults_of_all.clear()
    return faults_of_all


@pytest.fixture(scope="session")
def wire(purge_servers: Servers) -> Iterator[Wire]:
    """The database's proxy, whole until a test breaks it."""
    with wire_to(purge_servers.postgres.port) as whole:
        yield whole


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many cases there were, and what the long tests found."""
    for name in _MATRIX:
        ran = [r for r in terminalreporter.getreports("passed") if r.when == "call" and f"/{name}::" in r.nodeid]
        if ran:
            terminalreporter.write_line(f"purge, {name}: {len(ran)} cases passed")
    for report in terminalreporter.getreports("passed"):
        for what in (value for key, value in report.user_properties if key == "found" and report.when == "call"):
            terminalreporter.write_line(f"purge, {report.nodeid.rpartition('::')[2]}: {what}")
