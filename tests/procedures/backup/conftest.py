"""The tests of backups share one database and one object store; every test has a prefix and a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.procedures.backup.ground import Ground, furnish, ground_on
from tests.procedures.purge.ground import Servers, servers


@pytest.fixture(scope="session")
def backup_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """PostgreSQL with contents and an S3 server, running."""
    with servers(tmp_path_factory.mktemp("backup")) as running:
        furnish(running)
        yield running


@pytest.fixture
def ground(backup_servers: Servers, tmp_path: Path) -> Iterator[Ground]:
    """An empty prefix in the bucket, and a site for it and the database."""
    with ground_on(backup_servers, tmp_path) as fresh:
        yield fresh
