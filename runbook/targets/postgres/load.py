"""The probes of the database's state and load: what it waits for, whether its upkeep keeps up, how fast the ETL is.

Each is a reading of its own, cheap, in a few round trips over one of the reader's connections.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from runbook.probes import probe
from runbook.targets.postgres import activity, health, locking, pace, upkeep, waiting
from runbook.targets.postgres.asking import LONG, LONG_SECONDS, MONITOR, TABLES, Asking
from runbook.targets.postgres.health_structs import Bloat, Sequences, Server
from runbook.targets.postgres.load_structs import (
    FrozenAge,
    HorizonHolder,
    Load,
    Lot,
    Pace,
    Replication,
    Vacuuming,
)
from runbook.targets.postgres.structs import Blocker, Connections, Session

_SEQUENCES = "PostgreSQL SELECT on the sequences of the schema"
#: For an estimate that nobody would wait for.
_BRIEF_SECONDS = 2.0
#: What a pace is told in: short enough to see a lot that began a minute ago.
EVERY = timedelta(seconds=10)


class LoadReadings(Asking):
    """What is read of the database's load."""

    @probe(needs=MONITOR)
    def server(self) -> Server:
        """The server's counters, archive, replication, ages and settings. Raises ProbeError(BLIND) without sight."""
        with self._connections.reader() as reader:
            return health.server(reader)

    @probe(needs=_SEQUENCES)
    def sequences(self) -> Sequences:
        """How full the sequences of this database are; those that are hidden from us are named. Reads only."""
        with self._connections.reader() as reader:
            return health.sequences(reader)

    @probe(needs=TABLES)
    def bloat(self, least_bytes: int) -> tuple[Bloat, ...]:
        """The room that the rows of the large tables do not need, by the planner's statistics; most first.

        Raises ProbeError(SLOW) where two seconds are not enough. Reads only.
        """
        with self._connections.reader(_BRIEF_SECONDS) as reader:
            return health.bloat(reader, least_bytes)

    @property
    def standbys(self) -> tuple[str, ...]:
        """The servers that follow this one, as the site names them. Raises NotConfigured without a database."""
        return self._access.settings.standbys

    @property
    def baseline(self) -> Mapping[str, str]:
        """The settings of the server as the site declares them. Raises NotConfigured without a database."""
        return self._access.settings.baseline

    @probe(needs=MONITOR)
    def connections(self) -> Connections:
        """How many connections there are and may be: of the server, the database and each role, most used first.

        Roles named in ``application_roles`` show even without a connection. Raises ProbeError(BLIND) without sight.
        """
        with self._connections.reader() as reader:
            return activity.connections(reader)

    @probe(needs=MONITOR)
    def sessions(self) -> tuple[Session, ...]:
        """Client backends of the whole server but this one, longest transaction first. Raises ProbeError(BLIND)."""
        with self._connections.reader() as reader:
            found = activity.sessions(reader)
        return tuple(session for session in found if session.backend_type == "client backend")

    @probe(needs=MONITOR)
    def blockers(self) -> tuple[Blocker, ...]:
        """Sessions that others wait for and that wait for nobody, most waiters first, each with the tree behind it.

        Empty when nobody waits. A prepared transaction shows as a session with pid 0. Ours are left out.
        Raises ProbeError(BLIND).
        """
        with self._connections.reader() as reader:
            return locking.blockers(reader)

    @probe(needs=MONITOR)
    def load(self, span: timedelta) -> Load:
        """What the sessions wait for, at ten looks during ``span`` (a second or so), and what was done meanwhile.

        Raises ProbeError(BLIND) without sight of other sessions. Reads only.
        """
        with self._connections.reader() as reader:
            return waiting.load(reader, span)

    @probe(needs=MONITOR)
    def vacuuming(self) -> Vacuuming:
        """Whether autovacuum keeps up with the dead rows of this database, and what its workers do.

        Raises ProbeError(BLIND) without sight, ``ABSENT`` on a standby. Reads only.
        """
        with self._connections.reader() as reader:
            return upkeep.vacuuming(reader)

    @probe()
    def frozen_ages(self) -> tuple[FrozenAge, ...]:
        """How far each database is from the end of its transaction numbers, with the pace; the oldest first."""
        with self._connections.reader() as reader:
            return upkeep.frozen_ages(reader)

    @probe(needs=MONITOR)
    def horizon(self) -> tuple[HorizonHolder, ...]:
        """Who keeps dead rows from being removed, the oldest 20 first; ours are left out. Raises ProbeError(BLIND)."""
        with self._connections.reader() as reader:
            return upkeep.horizon(reader)

    @probe(needs=MONITOR)
    def replication(self) -> Replication:
        """Replication slots and standbys, those that lag most first. Raises ProbeError(BLIND)."""
        with self._connections.reader() as reader:
            return upkeep.replication(reader)

    @probe(needs=TABLES, deadline=LONG)
    def pace(self, window: timedelta) -> tuple[Pace, ...]:
        """How many records were finished in every ten seconds of the window, and how many stood ready, by table.

        In the order of the settings. Reads the exchange tables whole where their status has no index; raises
        ProbeError(SLOW) when they have outgrown that.
        """
        with self._connections.reader(LONG_SECONDS) as reader:
            return pace.pace(reader, self._zone, window, EVERY)

    @probe(needs=TABLES, deadline=LONG)
    def lots(self, days: int) -> tuple[Lot, ...]:
        """The lots that were answered in the last ``days`` and today: records by table, subsystem and day.

        Reads the answers and the exchange tables whole. Raises ProbeError(SLOW) where that takes too long.
        """
        with self._connections.reader(LONG_SECONDS) as reader:
            return pace.lots(reader, self._zone, days)
