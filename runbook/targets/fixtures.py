"""The targets as pytest fixtures: a row asks for them by name. Making one connects to nothing.

Loaded as a pytest plugin beside ``runbook.plugin``; a site pack's own targets are fixtures of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from runbook.limits import Limits
from runbook.plugin import SITE

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.site import Site
    from runbook.targets.hosts import Hosts
    from runbook.targets.logs import Logs
    from runbook.targets.postgres import Database
    from runbook.targets.rabbitmq import Broker
    from runbook.targets.s3 import Storage
    from runbook.targets.workers import Workers


@pytest.fixture(scope="session")
def site(pytestconfig: pytest.Config) -> Site:
    """The environment that the rows are judged in."""
    return pytestconfig.stash[SITE]


@pytest.fixture(scope="session")
def limits() -> Limits:
    """A stand-in for pytest: the engine gives the check fresh limits at each judgement."""
    return Limits()


@pytest.fixture(scope="session")
def history(site: Site) -> History:
    """Earlier runs' measures."""
    return site.history


@pytest.fixture(scope="session")
def database(site: Site) -> Iterator[Database]:
    """PostgreSQL ``sep_muses``."""
    from runbook.targets.postgres import Database

    target = Database(
        "database",
        site.settings.database,
        environment=site.environment.name,
        timezone=site.environment.timezone,
    )
    yield target
    target.close()


@pytest.fixture(scope="session")
def broker(site: Site) -> Iterator[Broker]:
    """RabbitMQ."""
    from runbook.targets.rabbitmq import Broker

    target = Broker("broker", site.settings.broker, environment=site.environment.name)
    yield target
    target.close()


@pytest.fixture(scope="session")
def workers(site: Site) -> Iterator[Workers]:
    """The services' replicas."""
    from runbook.targets.workers import Workers

    target = Workers("workers", site.settings.workers, environment=site.environment.name)
    yield target
    target.close()


@pytest.fixture(scope="session")
def logs(site: Site) -> Iterator[Logs]:
    """The services' and the database's logs."""
    from runbook.targets.logs import Logs

    target = Logs("logs", site.settings.logs, environment=site.environment.name)
    yield target
    target.close()


@pytest.fixture(scope="session")
def storage(site: Site) -> Iterator[Storage]:
    """The object store of backups and archives."""
    from runbook.targets.s3 import Storage

    target = Storage("storage", site.settings.storage, environment=site.environment.name)
    yield target
    target.close()


@pytest.fixture(scope="session")
def hosts(site: Site) -> Iterator[Hosts]:
    """The application servers."""
    from runbook.targets.hosts import Hosts

    target = Hosts("hosts", site.settings.hosts, environment=site.environment.name)
    yield target
    target.close()
