"""What the database's probes give: frozen structs, times aware and in UTC, spans ``timedelta``, sizes bytes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec


class Noun(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that a probe read."""


class Sight(Noun, frozen=True, kw_only=True):
    """Who answers and how much it shows us: without ``sees_other_sessions`` most of the server's state is NULL."""

    server_version: int
    in_recovery: bool
    sees_other_sessions: bool
    now: datetime
    system_identifier: str
    statements: bool
    hypopg: bool


class RoleUse(Noun, frozen=True, kw_only=True):
    """The connections of one role in the whole server. ``limit`` is None where the role has none."""

    role: str
    limit: int | None
    used: int
    idle: int
    by_application: dict[str, int]


class ApplicationUse(Noun, frozen=True, kw_only=True):
    """The connections of one application under one role, in the whole server, by what they do."""

    application: str
    role: str
    used: int
    active: int
    idle: int
    idle_in_transaction: int


class Connections(Noun, frozen=True, kw_only=True):
    """How many connections there are and may be; ``reserved`` ones are for superusers and the like only.

    ``applications`` are those that hold some, most first.
    """

    max_connections: int
    reserved: int
    used: int
    roles: tuple[RoleUse, ...]
    database_limit: int | None
    database_used: int
    applications: tuple[ApplicationUse, ...] = ()

    def left_for(self, role: str) -> int:
        """How many more an application under this role can open here: the tightest of the three limits decides."""
        left = [self.max_connections - self.reserved - self.used]
        if self.database_limit is not None:
            left.append(self.database_limit - self.database_used)
        left += [use.limit - use.used for use in self.roles if use.role == role and use.limit is not None]
        return max(0, min(left))


class Session(Noun, frozen=True, kw_only=True):
    """One backend of the server. ``query`` is its last or current statement, without values.

    ``since`` is its time in ``state``, ``waiting`` its time in the queue for a lock; ``blocked_by`` are the pids it
    waits for; ``own`` says that it is one of ours. The query of a session in another database is left out.
    """

    pid: int
    backend_start: datetime
    role: str
    application: str
    client: str
    database: str
    state: str
    state_changed_at: datetime | None
    since: timedelta
    transaction_age: timedelta | None
    query_age: timedelta | None
    waiting: timedelta | None
    wait_event_type: str | None
    wait_event: str | None
    query: str
    query_id: str | None
    blocked_by: tuple[int, ...]
    own: bool
    backend_type: str = "client backend"

    @property
    def identity(self) -> dict[str, Any]:
        """Arguments of ``end_session``: this session, as long as nobody else has its pid and it did not move on."""
        return {"pid": self.pid, "backend_start": self.backend_start.isoformat(), "state": self.state}

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What must still be so when ``end_session`` runs: whoever used it since must not lose it."""
        changed = self.state_changed_at
        return {**self.identity, "state_changed_at": changed and changed.isoformat()}


class Waiter(Noun, frozen=True, kw_only=True):
    """One that waits behind a root blocker. ``depth`` 1 waits for the root itself, 2 for one that waits for it, …

    ``wants`` is the lock that it waits for, as the server names it; it may wait for others of the tree as well.
    """

    session: Session
    depth: int
    wants: str


class Blocker(Noun, frozen=True, kw_only=True):
    """A session that others wait for and that waits for nobody. ``waiting`` counts those behind it, near and far.

    ``behind`` is the tree below it, each one before those that wait for it. ``prepared`` is the name (gid) of a
    prepared transaction, which has no session any more.
    """

    session: Session
    waiting: int
    longest_wait: timedelta
    relations: tuple[str, ...]
    behind: tuple[Waiter, ...] = ()
    prepared: str = ""


class ExchangeLatency(Noun, frozen=True, kw_only=True):
    """How long records of one exchange table take to the core, and how long the unfinished ones have waited.

    ``mean`` and ``slowest`` are of the records ``finished`` in the window and None where none has a time.
    ``null_times`` counts finished and unfinished records without a time.
    """

    table: str
    finished: int
    mean: timedelta | None
    slowest: timedelta | None
    unfinished: int
    oldest_unfinished: timedelta | None
    null_times: int


class Batch(Noun, frozen=True, kw_only=True):
    """The unfinished records of one subsystem in one exchange table; tables without subsystems give one batch."""

    table: str
    subsystem_id: int | None
    subsystem: str
    waiting: int
    first_at: datetime | None
    last_at: datetime | None


class StagingTable(Noun, frozen=True, kw_only=True):
    """One exchange table and what has outlived the retention. ``rows`` is the planner's estimate."""

    table: str
    rows: int
    bytes: int
    overdue: int
    oldest: datetime | None
    null_times: int


class Statement(Noun, frozen=True, kw_only=True):
    """One shape of statement of this database, without values. ``id`` is the server's and finds the full text."""

    id: str
    query: str
    calls: int
    total: timedelta
    mean: timedelta
    rows: int


class TableStats(Noun, frozen=True, kw_only=True):
    """The server's own statistics of one table; ``bytes`` with indexes, as of the last vacuum or analyze."""

    table: str
    table_oid: int
    live_rows: int
    modified_since_analyze: int
    last_analyze: datetime | None
    sequential_scans: int
    rows_read_sequentially: int
    bytes: int

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What must still be so when ``analyze`` runs."""
        return {"table_oid": self.table_oid}


class IndexProposal(Noun, frozen=True, kw_only=True):
    """An index that the planner used for ``statement`` when it was offered together with the others of its set.

    ``where`` says which rows it is for (None: all). ``proven`` means that the cost fell at least five times; costs are
    the planner's for one call, ``method`` says on what; ``assumed`` are the statuses that were looked for. ``serves``
    are the shapes of all statements it is for, ``costs`` what each costs before and after. ``build_estimate`` is by
    the table's size and a stated rate; ``entries_per_hour`` are written into it; ``hot_lost`` says that updates which
    touch no index now would; ``command`` is what a person would run.
    """

    table: str
    table_oid: int
    columns: tuple[str, ...]
    name: str
    statement: str
    cost_before: float
    cost_after: float
    proven: bool
    method: str
    bytes_estimate: int
    where: dict[str, Any] | None = None
    serves: tuple[str, ...] = ()
    costs: tuple[tuple[float, float], ...] = ()
    assumed: tuple[int, ...] = ()
    build_estimate: timedelta = timedelta(0)
    entries_per_hour: float | None = None
    hot_lost: bool = False
    command: str = ""

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of ``create_index``."""
        given = {"table": self.table, "columns": list(self.columns), "name": self.name}
        return given | ({"where": self.where} if self.where else {})

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What must still be so when ``create_index`` runs: the same table, and still no such index."""
        return {"table_oid": self.table_oid, "equivalent": None}
