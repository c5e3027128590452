"""What the probes of the database's health give: frozen structs, times aware and in UTC, spans ``timedelta``."""

from __future__ import annotations

from datetime import datetime, timedelta

from runbook.targets.postgres.load_structs import Checkpoints, FrozenAge, Replication
from runbook.targets.postgres.structs import Noun


class Counters(Noun, frozen=True, kw_only=True):
    """What one database has done since ``counted_since``, which is None where nobody ever reset it.

    ``database`` is empty for what all databases share. ``checksum_failures`` is None where checksums are off.
    """

    database: str
    commits: int
    rollbacks: int
    deadlocks: int
    temp_bytes: int
    checksum_failures: int | None
    checksum_failed_at: datetime | None
    counted_since: datetime | None


class Archive(Noun, frozen=True, kw_only=True):
    """The archive of the WAL: ``ready`` segments of ``segment_bytes`` wait for it; ``failed`` is since the last reset.

    ``enabled`` says that this server archives; a standby does where ``archive_mode`` is ``always``.
    """

    enabled: bool
    last_archived_at: datetime | None
    failed: int
    last_failed: str
    last_failed_at: datetime | None
    ready: int
    segment_bytes: int


class Prepared(Noun, frozen=True, kw_only=True):
    """A prepared transaction, which no session ends any more."""

    gid: str
    role: str
    database: str
    age: timedelta


class Setting(Noun, frozen=True, kw_only=True):
    """One setting of the server, as ``pg_settings`` tells it: ``value`` in ``unit``, ``shown`` as SHOW has it."""

    name: str
    shown: str
    value: str
    unit: str
    kind: str
    source: str
    pending_restart: bool


class Server(Noun, frozen=True, kw_only=True):
    """The server at one moment, by one round trip: what most of its rows are judged by.

    ``longest_wait`` is for a lock; ``oldest_transaction`` and ``longest_idle`` (inside a transaction) are of client
    sessions other than ours. They are zero where there is none. ``settings`` are those that the site declares and
    those that wait for a restart; ``took`` is how long the answer took.
    """

    version: int
    version_name: str
    started_at: datetime
    now: datetime
    took: timedelta
    checksums: bool
    longest_wait: timedelta
    oldest_transaction: timedelta
    longest_idle: timedelta
    counters: tuple[Counters, ...]
    archive: Archive
    checkpoints: Checkpoints
    ages: tuple[FrozenAge, ...]
    replication: Replication
    prepared: tuple[Prepared, ...]
    settings: tuple[Setting, ...]


class Sequence(Noun, frozen=True, kw_only=True):
    """A sequence near its end: ``percent`` of its numbers are used, ``left`` remain.

    ``narrow`` says that the column it fills ends before the sequence does.
    """

    name: str
    percent: float
    left: int
    narrow: bool


class Sequences(Noun, frozen=True, kw_only=True):
    """The sequences of the schema: how many, which ones this role may not read, and the fullest of the others."""

    count: int
    hidden: tuple[str, ...]
    fullest: tuple[Sequence, ...]


class Bloat(Noun, frozen=True, kw_only=True):
    """A large table and the room in it that its rows do not need, estimated; None where nothing tells."""

    table: str
    bytes: int
    spare_bytes: int | None
