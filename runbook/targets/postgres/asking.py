"""A target that asks PostgreSQL as the reader, over a few connections of its own."""

from __future__ import annotations

from datetime import timedelta

from runbook.errors import NotConfigured
from runbook.settings import DatabaseSettings
from runbook.targets.base import Target
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.connection import MOST_READERS, Readers

#: What most probes need, as ``muses-runbook grants`` reads it.
MONITOR = "PostgreSQL role pg_monitor"
TABLES = "PostgreSQL SELECT on the tables of the schema"
#: For what scans whole tables or asks the planner many times; a silent server ends it as soon as any other.
LONG, LONG_SECONDS = timedelta(seconds=10), 9.5


class Asking(Target):
    """The database of one environment; nothing is connected to before the first probe.

    ``timezone`` is the site's: what the tables hold without a zone is read in it. So many connections are open at
    once as ``most`` says.
    """

    def __init__(
        self,
        name: str,
        settings: DatabaseSettings | None,
        *,
        environment: str,
        timezone: str,
        most: int = MOST_READERS,
    ) -> None:
        super().__init__(name)
        self._setting, self._zone = f"environments.{environment}.database", timezone
        self._given = None if settings is None else Access(name, self._setting, settings)
        self._readers = None if self._given is None else Readers(self._given, most)

    def close(self) -> None:
        """Close the reader's connections."""
        if self._readers is not None:
            self._readers.close()

    @property
    def _access(self) -> Access:
        """How the runbook gets in. Raises NotConfigured."""
        if self._given is None:
            raise NotConfigured(self.name, self._setting)
        return self._given

    @property
    def _connections(self) -> Readers:
        """The reader's connections. Raises NotConfigured."""
        if self._readers is None:
            raise NotConfigured(self.name, self._setting)
        return self._readers
