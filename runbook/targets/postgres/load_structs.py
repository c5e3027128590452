"""What the probes of the database's load give: frozen structs, times aware and in UTC, spans ``timedelta``."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from runbook.targets.postgres.structs import Noun


class WaitShare(Noun, frozen=True, kw_only=True):
    """Sessions of one application at one statement that wait for one thing, on average over all looks.

    ``kind`` and ``event`` are the server's, or ``CPU`` for nothing. ``query`` is empty for another database's.
    """

    application: str
    role: str
    kind: str
    event: str
    query: str
    sessions: float


class Waits(Noun, frozen=True, kw_only=True):
    """What the sessions at work did at several looks, the largest share first; ours are left out.

    ``sessions`` is how many were at work on average, in all shares together; ``hidden`` how many there are whose
    activity the server does not track (``track_activities`` is off for them).
    """

    looks: int
    span: timedelta
    sessions: float
    hidden: int
    shares: tuple[WaitShare, ...]


class Throughput(Noun, frozen=True, kw_only=True):
    """What this database did during the ``span`` of a look: its transactions, blocks, temporary files and WAL.

    Sessions report theirs once a second at most: what a look shows may be that much older. ``total_*`` are since
    ``counted_since``, which is None where nobody ever reset them.
    """

    span: timedelta
    transactions: int
    rollbacks: int
    blocks_hit: int
    blocks_read: int
    temp_files: int
    temp_bytes: int
    wal_bytes: int
    total_blocks_hit: int
    total_blocks_read: int
    total_temp_files: int
    total_temp_bytes: int
    counted_since: datetime | None

    @property
    def hit_percent(self) -> float | None:
        """Blocks found in the server's cache during the look; None where too few were asked for to tell."""
        asked = self.blocks_hit + self.blocks_read
        return 100 * self.blocks_hit / asked if asked >= 1000 else None


class Checkpoints(Noun, frozen=True, kw_only=True):
    """Checkpoints since ``counted_since``: by the clock, and because the WAL was full (or somebody asked)."""

    timed: int
    requested: int
    last_at: datetime
    now: datetime
    counted_since: datetime | None
    write_time: timedelta
    timeout: timedelta
    max_wal_size: int

    @property
    def apart(self) -> timedelta | None:
        """The mean time between two; None where there were none or nobody knows since when they are counted."""
        count = self.timed + self.requested
        return (self.now - self.counted_since) / count if count and self.counted_since else None


class Load(Noun, frozen=True, kw_only=True):
    """One look of about a second: what the sessions waited for, and what the database did meanwhile."""

    waits: Waits
    throughput: Throughput
    checkpoints: Checkpoints


class TableDebt(Noun, frozen=True, kw_only=True):
    """A table that autovacuum should have cleaned: more dead rows than its threshold, its own options included.

    ``enabled`` is False where autovacuum is switched off for it; ``last`` is the last vacuum by anybody.
    """

    schema: str
    table: str
    live: int
    dead: int
    threshold: float
    enabled: bool
    last: datetime | None


class VacuumWorker(Noun, frozen=True, kw_only=True):
    """One vacuum at work, by autovacuum or (``manual``) by a person. ``table`` is empty in another database."""

    pid: int
    database: str
    table: str
    manual: bool
    phase: str
    percent: float | None
    since: timedelta | None
    wait: str
    blocked_by: tuple[int, ...]


class Vacuuming(Noun, frozen=True, kw_only=True):
    """Whether cleaning keeps up: ``debts`` are the tables that are due, the farthest beyond their threshold first."""

    enabled: bool
    counted: bool
    most_workers: int
    workers: tuple[VacuumWorker, ...]
    debts: tuple[TableDebt, ...]
    counted_since: datetime | None

    @property
    def busy(self) -> int:
        """Workers of autovacuum at work, in all databases."""
        return sum(not worker.manual for worker in self.workers)


class FrozenAge(Noun, frozen=True, kw_only=True):
    """How far a database is on the way to the point where the server refuses to write, in transactions.

    ``kind`` is ``xid`` or ``multixact``; ``freezes_at`` is where autovacuum begins to freeze whatever else happens,
    ``stops_at`` where writing stops. ``per_second`` is the pace over ``paced_over``, None where that is too short.
    """

    database: str
    kind: str
    age: int
    freezes_at: int
    stops_at: int
    per_second: float | None
    paced_over: timedelta

    @property
    def left(self) -> timedelta | None:
        """Time until writing stops if nothing is frozen; None where the pace is not known or nothing comes."""
        if not self.per_second:
            return None
        seconds = max(0, self.stops_at - self.age) / self.per_second
        return timedelta(seconds=min(seconds, 3_650 * 86_400.0))


class HorizonHolder(Noun, frozen=True, kw_only=True):
    """Who keeps dead rows from being removed. ``age`` is in transactions, ``since`` how long it has done so.

    ``kind`` is ``session``, ``prepared transaction``, ``slot`` or ``standby``, ``name`` its application, gid or name;
    ``database`` is empty for those that hold all of them, ``here`` says whether rows of our own are held.
    """

    kind: str
    name: str
    pid: int | None
    role: str
    database: str
    here: bool
    state: str
    age: int
    since: timedelta | None
    query: str


class Slot(Noun, frozen=True, kw_only=True):
    """A replication slot: WAL that the server keeps (``kept_bytes``) for one who has not fetched it yet.

    ``wal_status`` is the server's: reserved, extended, unreserved (about to be lost), lost. ``safe_bytes`` may still be
    written before it is lost, None without a limit. ``inactive_for`` is known from PostgreSQL 17 on.
    """

    name: str
    kind: str
    database: str
    active: bool
    pid: int | None
    wal_status: str
    kept_bytes: int | None
    safe_bytes: int | None
    xmin_age: int | None
    inactive_for: timedelta | None
    reason: str


class Standby(Noun, frozen=True, kw_only=True):
    """One that follows: how far behind it is in bytes and time. ``replay_lag`` is None while it has nothing to tell.

    ``slot`` is the one that it fetches through, empty without.
    """

    application: str
    client: str
    state: str
    sync_state: str
    slot: str
    sent_bytes: int | None
    flush_bytes: int | None
    replay_bytes: int | None
    flush_lag: timedelta | None
    replay_lag: timedelta | None
    xmin_age: int | None


class Replication(Noun, frozen=True, kw_only=True):
    """Who follows this server and what it keeps for them; ``kept_at_most`` limits a slot, None where nothing does."""

    slots: tuple[Slot, ...]
    standbys: tuple[Standby, ...]
    kept_at_most: int | None


class Pace(Noun, frozen=True, kw_only=True):
    """One exchange table over a window in intervals of ``every``, oldest first, the last one ends now.

    ``finished`` counts the records answered in each, ``waiting`` those that stood ready at its beginning.
    ``unfinished`` wait now.
    """

    table: str
    every: timedelta
    finished: tuple[int, ...]
    waiting: tuple[int, ...]
    unfinished: int


class Lot(Noun, frozen=True, kw_only=True):
    """The records of one subsystem in one exchange table that were answered on one day of the site's calendar."""

    table: str
    subsystem_id: int | None
    day: date
    today: bool
    records: int
