"""The purge as a target of rows: what it would do and did, by the reader; the procedure itself, by the operator."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from procedures.purge import looking
from procedures.purge.facts import Purges, Staged, TableDue
from runbook.errors import ActionError, NotConfigured
from runbook.model import Effect, Step
from runbook.probes import probe
from runbook.settings import DatabaseSettings
from runbook.site import Site
from runbook.targets.base import Target, operation
from runbook.targets.postgres.access import Access, quoted
from runbook.targets.postgres.asking import LONG, LONG_SECONDS, TABLES
from runbook.targets.postgres.connection import ANSWER_SECONDS, Readers
from runbook.targets.postgres.database import Database
from runbook.targets.rights import Right
from runbook.text import Text, text
from runbook.traces import Trace, halfway

if TYPE_CHECKING:
    from procedures.purge.ledger_structs import Standing
    from procedures.purge.surveying import Survey
    from runbook.targets.postgres.connection import Line

_LEDGER = "PostgreSQL SELECT on the ledger of the purge"
_PURGE = (
    "PostgreSQL role of the tables' owner, role pg_monitor, CREATE on the database; "
    "s3:ListBucket, s3:ListBucketVersions, s3:ListBucketMultipartUploads, s3:GetBucketVersioning, "
    "s3:GetEncryptionConfiguration, s3:GetBucketPolicyStatus, s3:GetBucketPublicAccessBlock, s3:GetBucketAcl, "
    "s3:GetObject, s3:GetObjectVersion, s3:PutObject, s3:AbortMultipartUpload on the archive bucket"
)
#: A purge that was neglected for months takes hours, in which it makes way for everybody. Stopped at any moment it
#: goes on where it was when it is started again.
LONGEST = timedelta(hours=6)


class Purge(Target):
    """The purge of the exchange tables of one environment."""

    kind: ClassVar[str] = "purge"

    def __init__(self, name: str, site: Site) -> None:
        super().__init__(name)
        self._site, self._stopping = site, threading.Event()
        environment = site.environment
        self._setting = f"environments.{environment.name}.database"
        self._database = Database(
            "database", site.settings.database, environment=environment.name, timezone=environment.timezone
        )
        given = site.settings.database
        self._readers = None if given is None else Readers(Access("database", self._setting, given))

    @property
    def most_percent(self) -> float:
        """The share of a table that may go without a person's confirmation."""
        return self._site.settings.purge.max_percent

    def retention(self, table: str) -> timedelta:
        """How long the records of a table stay: its own time, else that of all exchange tables."""
        days = self._site.settings.purge.retention_days.get(table, self._settings.retention_days)
        return timedelta(days=days)

    @probe(needs=TABLES)
    def staged(self) -> Staged:
        """The exchange tables with their sizes, and why one of them would not be purged. Scans none. Reads only."""
        with self._reader() as line:
            return looking.staged(line, self._settings, self._site.settings.purge)

    @probe(needs=TABLES, deadline=LONG)
    def due(self) -> tuple[TableDue, ...]:
        """What of each table of records is past its retention, by one scan of each. Raises ProbeError(SLOW)."""
        with self._reader(LONG_SECONDS) as line:
            zone = self._site.environment.timezone
            return looking.due(line, self._settings, self._site.settings.purge, zone)

    @probe(needs=_LEDGER)
    def purges(self) -> Purges:
        """The newest run of the purge, and whether one works just now. Reads only."""
        with self._reader() as line:
            return looking.purges(line, self._site.settings.purge.state_schema)

    def fingerprint(self) -> dict[str, Any]:
        """The newest run, and the day of the oldest record of each table: what neither an hour nor a service changes.

        Raises ProbeError. Reads only.
        """
        newest = self.purges().newest
        oldest = {table.table: f"{table.oldest:%Y-%m-%d}" for table in self._database.staging() if table.oldest}
        return {"run": newest.id if newest else None, "oldest": oldest}

    def clock_skew(self) -> timedelta | None:
        """How far this machine's clock is off the database's. Reads only."""
        return self._database.clock_skew()

    @probe(deadline=LONG)
    def rights(self) -> tuple[Right, ...]:
        """Whether the reader reads the ledger and the operator can keep one. Changes nothing."""
        ledger, settings = self._site.settings.purge.state_schema, self._settings
        operator = settings.operator.user if settings.operator else "muses_operator"
        with self._reader() as line:
            held = looking.rights(line, ledger, operator)
        return tuple(_rights(held, ledger, settings, operator))

    @operation(Effect.DESTROY, needs=_PURGE, deadline=LONGEST)
    def purge(self, *, fingerprint: Mapping[str, Any]) -> dict[str, Any]:
        """Archive, read back, delete, as ``muses-runbook run purge --execute`` does; never what needs a confirmation.

        Refuses where another purge has run or other records have come since the plan was made. Resumes one that
        stopped.
        """
        now = self.fingerprint()
        if now != dict(fingerprint):
            changed = text("The exchange tables are not as they were when the plan was made: look at them again")
            raise ActionError(self.name, "purge", changed, refused=True)
        from procedures.purge import running

        self._stopping.clear()
        purged = running.purge(self._site, watch=_Stoppable(self._stopping))
        tables = {table.name: {"state": table.state, "deleted": table.deleted} for table in purged.tables}
        return {"run": purged.run, "resumed": purged.resumed, "tables": tables, "notes": [str(n) for n in purged.notes]}

    def trace_of(self, step: Step, since: datetime) -> Trace:
        """A killed one may be begun again: nothing is done twice."""
        return halfway(text("The purge keeps a ledger of its own: the next one goes on where it was"))

    def interrupt(self) -> None:
        """End the purge within a second, between two transactions; the next one goes on where it was."""
        self._stopping.set()

    def close(self) -> None:
        """Close the reader's connections."""
        self._database.close()
        if self._readers is not None:
            self._readers.close()

    @contextmanager
    def _reader(self, seconds: float = ANSWER_SECONDS) -> Iterator[Line]:
        if self._readers is None:
            raise NotConfigured("database", self._setting)
        with self._readers.reader(seconds) as line:
            yield line

    @property
    def _settings(self) -> DatabaseSettings:
        if self._site.settings.database is None:
            raise NotConfigured("database", self._setting)
        return self._site.settings.database


class _Stoppable:
    """Watches a purge only to end it."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def progressed(self, tables: tuple[Standing, ...]) -> None:
        """Raises ActionError once it is to stop: the batches in work are fenced off, and nothing is lost."""
        if self._stopping.is_set():
            raise ActionError("purge", "purge", text("The purge was stopped: the next one goes on where it was"))

    def surveyed(self, survey: Survey) -> None:
        """Say nothing."""

    def resumed(self, run: str) -> None:
        """Say nothing."""

    def noticed(self, what: Text) -> None:
        """Say nothing: it is told at the end."""


def _rights(held: Mapping[str, bool], ledger: str, settings: DatabaseSettings, operator: str) -> Iterator[Right]:
    schema, reader, role = quoted(ledger), quoted(settings.reader.user), quoted(operator)
    reads = f"GRANT USAGE ON SCHEMA {schema} TO {reader}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader};"
    what = text("{role} reads what the purge remembers in {schema}", role=reader, schema=schema)
    yield Right(what=what, held=held["reads_ledger"], mend=reads)
    if settings.operator is not None:
        keeps = f"GRANT CREATE ON DATABASE {quoted(settings.name)} TO {role};"
        what = text("{role} keeps what the purge remembers in {schema}", role=role, schema=schema)
        yield Right(what=what, held=held["keeps_ledger"], mend=keeps, identity="operator")
