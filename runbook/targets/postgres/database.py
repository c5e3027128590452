"""PostgreSQL ``sep_muses``: its sessions, its statements, its exchange tables; and the few changes that mend it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from runbook.errors import ActionError, NotConfigured
from runbook.model import Effect, Step
from runbook.probes import probe
from runbook.targets.base import operation
from runbook.targets.postgres import (
    activity,
    building,
    exchange,
    indexes,
    operations,
    rights,
    stored,
    traces,
    workload,
)
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.asking import LONG, LONG_SECONDS, MONITOR, TABLES
from runbook.targets.postgres.guarding import GuardReadings
from runbook.targets.postgres.load import LoadReadings
from runbook.targets.postgres.records import RecordReadings
from runbook.targets.postgres.stored import ForeignKey, IndexUses, StoredIndex
from runbook.targets.postgres.structs import (
    Batch,
    ExchangeLatency,
    IndexProposal,
    Sight,
    StagingTable,
    Statement,
    TableStats,
)
from runbook.targets.rights import Right
from runbook.traces import Trace

_OWNER = "PostgreSQL role of the tables' owner"
_COUNTED = "PostgreSQL role pg_monitor, extension pg_stat_statements"


class Database(GuardReadings, RecordReadings, LoadReadings):
    """The database of one environment.

    Probes log in as the reader, over at most four connections that are read-only and give up before their deadline;
    operations log in as the operator, for as long as one takes. Times are the server's clock, in UTC; what the tables
    hold without a zone is read in the site's.
    """

    kind: ClassVar[str] = "database"

    @property
    def retention(self) -> timedelta:
        """How long records stay in the exchange tables."""
        return timedelta(days=self._access.settings.retention_days)

    @probe()
    def sight(self) -> Sight:
        """Who answers and how much it shows us. Reads only."""
        with self._connections.reader() as reader:
            return activity.sight(reader)

    def clock_skew(self) -> timedelta:
        """How far this machine's clock is off the server's, by what :meth:`sight` read in this run. Reads only."""
        return datetime.now(UTC) - self.sight().now

    @probe(needs=TABLES)
    def etl_latency(self, window: timedelta) -> tuple[ExchangeLatency, ...]:
        """How long records took from each exchange table to the core, and how long the unfinished ones have waited.

        In the order of the settings. Raises ProbeError(ABSENT) for a table, column or status that is not there,
        ``SLOW`` when a table has outgrown the scan that the unfinished records need. Reads only.
        """
        with self._connections.reader() as reader:
            return exchange.latencies(reader, self._zone, window)

    @probe(needs=TABLES)
    def batches(self) -> tuple[Batch, ...]:
        """The unfinished records by exchange table and subsystem, the largest first; empty when nothing waits."""
        with self._connections.reader() as reader:
            return exchange.batches(reader, self._zone)

    @probe(needs=TABLES)
    def consolidation_rate(self, window: timedelta) -> float:
        """Records finished a second over the window, all exchange tables together; 0.0 when nothing was."""
        with self._connections.reader() as reader:
            return exchange.consolidation_rate(reader, self._zone, window)

    @probe(needs=TABLES, deadline=LONG)
    def staging(self) -> tuple[StagingTable, ...]:
        """What has outlived the retention in each exchange table, by one scan of each. Raises ProbeError(SLOW)."""
        with self._connections.reader(LONG_SECONDS) as reader:
            return exchange.staging(reader, self._zone)

    @probe()
    def log_line_prefix(self) -> str:
        """What the server begins each line of its text log with. Reads only."""
        with self._connections.reader() as reader:
            return workload.log_line_prefix(reader)

    @probe(needs=_COUNTED)
    def statements(self) -> tuple[Statement, ...]:
        """The 50 statements that took most time since the statistics were reset, without ours.

        Raises ProbeError(BLIND) without sight or where the server counts no statements.
        """
        with self._connections.reader() as reader:
            return workload.statements(reader)

    @probe(needs=_COUNTED, deadline=LONG)
    def statements_between(self, pause: timedelta) -> tuple[Statement, ...]:
        """What the statements did in the next ``pause``, most time first; one still running is not counted."""
        with self._connections.reader() as reader:
            before = workload.counters(reader)
        time.sleep(pause.total_seconds())
        with self._connections.reader() as reader:
            return workload.grown(reader, before)

    @probe(needs=TABLES)
    def tables(self) -> tuple[TableStats, ...]:
        """The server's statistics of every table of the schema, those read most by scans first."""
        with self._connections.reader() as reader:
            return workload.tables(reader)

    @probe(needs=f"{_COUNTED}; {TABLES}; HypoPG or TEMPORARY on the database", deadline=LONG)
    def index_proposals(self, statements: tuple[str, ...]) -> tuple[IndexProposal, ...]:
        """The best index for each of these statements that the planner uses when it is offered, most saving first.

        ``statements`` are ``Statement.id`` or what a probe or the slow log showed of a statement; the first ten count.
        Several statements may want the same index. Empty when none helps or there is one already.
        Raises ProbeError(BLIND) where there is no way to prove one.
        """
        with self._connections.reader(LONG_SECONDS) as reader:
            return indexes.proposals(reader, statements)

    @probe()
    def foreign_keys(self) -> tuple[ForeignKey, ...]:
        """The foreign keys of one column on the exchange and core tables, and the index of each if there is one."""
        with self._connections.reader() as reader:
            return stored.foreign_keys(reader)

    @probe(needs=MONITOR)
    def stored_indexes(self) -> tuple[StoredIndex, ...]:
        """Every index of the schema, with what it is for, how large it is and how far its build is. Reads only."""
        with self._connections.reader() as reader:
            return stored.indexes(reader)

    @probe(needs=MONITOR, deadline=LONG)
    def index_uses(self) -> IndexUses:
        """How often each index was used on the primary and on the standbys, and since when that is counted.

        Raises ProbeError(BLIND) where a standby follows that ``standbys`` does not name.
        """
        with self._connections.reader(LONG_SECONDS) as reader:
            return stored.uses(reader)

    @probe(deadline=LONG)
    def rights(self) -> tuple[Right, ...]:
        """What the reader and the operator may do, with the SQL that mends what they may not. Changes nothing."""
        return rights.rights(self._access)

    def trace_of(self, step: Step, since: datetime) -> Trace:
        """How far a step of a killed run got. Reads only."""
        with self._connections.reader() as reader:
            return traces.trace_of(reader, step, since)

    @operation(Effect.CHANGE, needs="PostgreSQL role pg_monitor, role pg_signal_backend")
    def end_session(
        self, *, fingerprint: Mapping[str, Any], pid: int, backend_start: datetime | str, state: str
    ) -> dict[str, Any]:
        """End one client session; its open transaction is rolled back. Refuses ours, dumps and the server's own."""
        wanted = {"pid": pid, "backend_start": backend_start, "state": state}
        return operations.end_session(self._acting("end_session"), fingerprint, wanted)

    @operation(Effect.CHANGE, needs=_OWNER, chosen=frozenset({"serves"}))
    def create_index(
        self,
        *,
        fingerprint: Mapping[str, Any],
        table: str,
        columns: Sequence[str],
        name: str,
        where: Mapping[str, Any] | None = None,
        serves: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Build an index without blocking writers, and time the statements it serves. Refuses an equivalent one."""
        access = self._acting("create_index")
        return building.create_index(access, fingerprint, table, columns, name, where, serves)

    @operation(Effect.CHANGE, needs=_OWNER)
    def drop_index(self, *, fingerprint: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Drop an index that ``create_index`` made. Refuses any other."""
        return building.drop_index(self._acting("drop_index"), fingerprint, name)

    @operation(Effect.CHANGE, needs=_OWNER)
    def analyze(self, *, fingerprint: Mapping[str, Any], table: str) -> dict[str, Any]:
        """Renew the planner's statistics of a table."""
        return operations.analyze(self._acting("analyze"), fingerprint, table)

    def _acting(self, operation: str) -> Access:
        try:
            return self._access
        except NotConfigured as error:
            raise ActionError(self.name, operation, error.said, refused=True) from error
