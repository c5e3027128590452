"""What a server's log tells: frozen structs, spans ``timedelta``, sizes bytes, no literal of any statement."""

from __future__ import annotations

from datetime import timedelta

import msgspec


class SlowStatement(msgspec.Struct, frozen=True, kw_only=True):
    """Statements of one shape that the server logged with their times, without their values.

    ``share`` is the part of all statements' time, 0 to 1. ``example`` is the slowest call with its literals masked.
    ``preparing`` is the time of parse and bind, which is not in ``total``. ``fingerprint`` is the grammar's; None where
    the statement is cut or no grammar is installed. ``waits`` and ``waited`` are of locks that the server logged.
    """

    query: str
    count: int
    total: timedelta
    longest: timedelta
    mean: timedelta = timedelta(0)
    p95: timedelta = timedelta(0)
    share: float = 0.0
    tables: tuple[str, ...] = ()
    example: str = ""
    fingerprint: str | None = None
    preparing: timedelta = timedelta(0)
    waits: int = 0
    waited: timedelta = timedelta(0)
    temp_files: int = 0
    temp_bytes: int = 0
    failures: int = 0


class Maintenance(msgspec.Struct, frozen=True, kw_only=True):
    """What autovacuum did to one table: ``kind`` is ``vacuum`` or ``analyze``."""

    table: str
    kind: str
    count: int
    total: timedelta
    longest: timedelta


class Checkpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Finished checkpoints, the buffers they wrote, and how often the server said that they come too frequently."""

    count: int
    buffers: int
    total: timedelta
    longest: timedelta
    too_frequent: int


class SlowLog(msgspec.Struct, frozen=True, kw_only=True):
    """All that the logs told, statements of greatest total time first.

    ``first`` and ``last`` are times as the server wrote them; empty where it wrote none. ``unread`` counts lines that
    are no record of any form. ``unplaced`` counts times that could not be put to a statement. ``waits`` counts, by the
    lock's mode, how often a session waited for longer than deadlock_timeout.
    """

    statements: tuple[SlowStatement, ...]
    first: str
    last: str
    bytes: int
    records: int
    unread: int
    unplaced: int
    total: timedelta
    waits: dict[str, int]
    waited: timedelta
    deadlocks: int
    lock_timeouts: int
    statement_timeouts: int
    temp_files: int
    temp_bytes: int
    errors: dict[str, int]
    maintenance: tuple[Maintenance, ...]
    checkpoints: Checkpoints
    grammar: bool
