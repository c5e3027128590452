"""Who is in the database and who waits for whom. Reads the server's views only, never a table that may be locked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import msgspec

from runbook.learnt import learnt
from runbook.targets.postgres.access import APPLICATION, quoted, statement
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.failures import blind
from runbook.targets.postgres.structs import Blocker, Connections, RoleUse, Session, Sight
from runbook.targets.sql_text import normalised
from runbook.text import text

#: What pg_blocking_pids gives for a prepared transaction, which has no session.
PREPARED = 0


def sight(reader: Line) -> Sight:
    """Who answers and what it shows us."""
    return msgspec.convert(reader.row(statement("sight")), learnt(Sight))


def seeing(reader: Line) -> dict[str, Any]:
    """Prove that other roles' sessions and statements are shown to us. Raises ProbeError(BLIND) with the GRANT."""
    found = reader.row(statement("seeing"))
    if not found["sees"]:
        role = quoted(found["role"])
        words = text("The role {role} cannot see other sessions: GRANT pg_monitor TO {role}", role=role)
        raise blind(reader.access, words)
    return found


def connections(reader: Line) -> Connections:
    """The server's connections against its limits, the database's and each role's."""
    seeing(reader)
    limits = reader.row(statement("connection_limits"))
    uses = reader.rows(statement("role_uses"), {"roles": list(reader.access.settings.application_roles)})
    roles = tuple(_role_use(role, list(rows)) for role, rows in groupby(uses, key=lambda use: str(use["role"])))
    return Connections(**limits, roles=tuple(sorted(roles, key=lambda role: -role.used)))


def sessions(reader: Line) -> tuple[Session, ...]:
    """All backends, longest transaction first."""
    seeing(reader)
    rows = reader.rows(statement("sessions"), {"application": APPLICATION, "roles": list(own_roles(reader))})
    return tuple(msgspec.convert({**row, "query": normalised(row["query"])}, learnt(Session)) for row in rows)


def blockers(reader: Line) -> tuple[Blocker, ...]:
    """Root blockers, the one with most behind it first."""
    known = {session.pid: session for session in sessions(reader)}
    behind = _behind(known.values())
    roots = {pid: waiters for pid, waiters in behind.items() if pid not in known or not known[pid].blocked_by}
    relations = _relations(reader, {*roots, *(pid for waiters in roots.values() for pid in waiters)}) if roots else {}
    found = [
        _blocker(known.get(pid) or _departed(pid), [known[waiter] for waiter in waiters], relations)
        for pid, waiters in roots.items()
    ]
    others = [blocker for blocker in found if not blocker.session.own]
    return tuple(sorted(others, key=lambda blocker: (-blocker.waiting, -blocker.longest_wait)))


def own_roles(reader: Line) -> tuple[str, ...]:
    """The roles that the runbook itself logs in as."""
    settings = reader.access.settings
    return tuple(login.user for login in (settings.reader, settings.operator) if login)


def _role_use(role: str, rows: list[dict[str, Any]]) -> RoleUse:
    return RoleUse(
        role=role,
        limit=rows[0]["limit"],
        used=sum(row["used"] for row in rows),
        idle=sum(row["idle"] for row in rows),
        by_application={row["application"]: row["used"] for row in rows if row["used"]},
    )


def _behind(sessions: Iterable[Session]) -> dict[int, set[int]]:
    """For each blocking pid, the pids that wait for it directly or through others."""
    direct: dict[int, set[int]] = defaultdict(set)
    for session in sessions:
        for blocker in session.blocked_by:
            direct[blocker].add(session.pid)
    return {pid: _reached(pid, direct) for pid in list(direct)}


def _reached(pid: int, direct: Mapping[int, set[int]]) -> set[int]:
    reached: set[int] = set()
    ahead = [pid]
    while ahead:
        new = direct.get(ahead.pop(), set()) - reached
        reached |= new
        ahead.extend(new)
    return reached


def _relations(reader: Line, pids: set[int]) -> dict[int, set[str]]:
    held: dict[int, set[str]] = defaultdict(set)
    for row in reader.rows(statement("locked_relations"), {"pids": list(pids)}):
        held[row["pid"]].add(row["relation"])
    return held


def _blocker(root: Session, waiters: list[Session], relations: Mapping[int, set[str]]) -> Blocker:
    """What they fight for is what both sides hold or await; where a row lock leaves no trace, what the waiters do."""
    awaited = set[str]().union(*(relations.get(waiter.pid, set()) for waiter in waiters))
    common = awaited & relations.get(root.pid, set())
    return Blocker(
        session=root,
        waiting=len(waiters),
        longest_wait=max((w.waiting or w.query_age or timedelta(0) for w in waiters), default=timedelta(0)),
        relations=tuple(sorted(common or awaited)),
    )


def _departed(pid: int) -> Session:
    """A blocker that is no backend: a prepared transaction, or a session that ended while we looked."""
    prepared = pid == PREPARED
    return Session(
        pid=pid,
        backend_start=datetime.now(UTC),
        role="",
        application="",
        client="",
        database="",
        state="prepared" if prepared else "gone",
        state_changed_at=None,
        since=timedelta(0),
        transaction_age=None,
        query_age=None,
        waiting=None,
        wait_event_type=None,
        wait_event=None,
        query="",
        query_id=None,
        blocked_by=(),
        own=False,
        backend_type="prepared transaction" if prepared else "gone",
    )
