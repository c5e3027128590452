"""The targets as pytest fixtures: a row asks for them by name. Making one connects to nothing.

Loaded as a pytest plugin beside ``runbook.plugin``; a site pack's own targets are fixtures of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from runbook.limits import Limits
from runbook.plugin import SITE
from runbook.targets.opening import memory_of, open_target

if TYPE_CHECKING:
    from runbook.site import Site
    from runbook.targets.memory import Memory
    from runbook.targets.prometheus.prometheus import Prometheus


@pytest.fixture(scope="session")
def site(pytestconfig: pytest.Config) -> Site:
    """The environment that the rows are judged in."""
    return pytestconfig.stash[SITE]


@pytest.fixture(scope="session")
def limits() -> Limits:
    """A stand-in for pytest: the engine gives the check fresh limits at each judgement."""
    return Limits()


@pytest.fixture(scope="session")
def history(site: Site, prometheus: Prometheus) -> Memory:
    """Earlier runs' measures, and what Prometheus kept where they are too few."""
    return memory_of(site, prometheus)


def _target(name: str, doc: str) -> Any:
    """The fixture of one target: made for the session, its connections let go at the end."""

    @pytest.fixture(scope="session", name=name)
    def target(site: Site) -> Iterator[Any]:
        made = open_target(name, site)
        yield made
        made.close()

    target.__doc__ = doc
    return target


database = _target("database", "PostgreSQL ``sep_muses``.")
scripts = _target("scripts", "The team's own SQL scripts, run on the database.")
broker = _target("broker", "RabbitMQ.")
workers = _target("workers", "The services' replicas.")
logs = _target("logs", "The services' and the database's logs.")
storage = _target("storage", "The object store of backups and archives.")
hosts = _target("hosts", "The application servers.")
prometheus = _target("prometheus", "Prometheus.")
security = _target("security", "What the site file says of security, and the accounts that makers ship.")
purge = _target("purge", "The purge of the exchange tables: what it would do, what it did, and the procedure itself.")
runs = _target("runs", "The acting runs of this machine: which were killed, and how far they got.")
backup = _target("backup", "The backups of the database: those that lie there, and the procedure itself.")
