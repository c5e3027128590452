"""Whether the database is overloaded: sessions that wait for one that holds a lock, connections that run out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from checks import _sessions
from checks._found import confirmed, fact, ruled_out
from runbook.model import Evidence, Finding
from runbook.text import Quantity, Text, percent, text

if TYPE_CHECKING:
    from runbook.targets.postgres.structs import Blocker, Connections, Session

ACTIVITY = "pg_stat_activity"
LOCKS = "pg_locks"


def overloaded(
    blockers: Sequence[Blocker], connections: Connections, sessions: Iterable[Session], *, wait: timedelta, full: float
) -> Finding:
    """``wait`` is how long a lock may be waited for, ``full`` the percentage of connections that is too much."""
    roots = [blocker for blocker in blockers if blocker.longest_wait >= wait]
    evidence = (*map(_root, roots), _connections(connections), *_work(tuple(sessions)))
    if roots:
        first = roots[0]
        summary = text(
            "{application} (pid {pid}) holds a lock that {waiting} wait for, the longest for {wait}",
            application=first.session.application or first.session.role,
            pid=first.session.pid,
            waiting=_n(first.waiting),
            wait=first.longest_wait,
        )
        return confirmed(summary, *evidence, advice=_advice(first), roots=[_named(root) for root in roots])
    if used_percent(connections) >= full:
        summary = text("{share} of the server's connections are in use", share=percent(used_percent(connections)))
        return confirmed(summary, *evidence, advice=(text("See row DB-01: who holds the connections"),), roots=[])
    return ruled_out(text("Nobody waits for a lock, and there are connections left"), *evidence)


def used_percent(connections: Connections) -> float:
    """The server's connections in use, of those that are not reserved for administrators."""
    return 100 * connections.used / max(1, connections.max_connections - connections.reserved)


def may_be_ended(session: Session) -> bool:
    """Whether it may be ended to free others: a client that does nothing inside its transaction, and is no tool."""
    from runbook.targets.postgres.operations import SPARED

    idle = session.state.startswith("idle in transaction")
    spared = session.application.casefold().startswith(SPARED)
    return session.backend_type == "client backend" and idle and not session.own and not spared


def _named(blocker: Blocker) -> dict[str, Any]:
    return _sessions.handle(blocker.session) | {"may_be_ended": may_be_ended(blocker.session)}


def _advice(blocker: Blocker) -> tuple[Text, ...]:
    if may_be_ended(blocker.session):
        return ()
    return (
        text(
            "The session {pid} is at work or not a client's: ask {application} before anybody ends it",
            pid=blocker.session.pid,
            application=blocker.session.application or blocker.session.role,
        ),
    )


def _root(blocker: Blocker) -> Evidence:
    session = blocker.session
    said = text(
        "Root blocker: pid {pid}, {application} of {role} at {client}, {state} for {since}; {waiting} want {relations}",
        pid=session.pid,
        application=session.application,
        role=session.role,
        client=session.client,
        state=session.state,
        since=session.since,
        waiting=_n(blocker.waiting),
        relations=", ".join(blocker.relations) or "—",
    )
    return fact(said, LOCKS, (session.query,) if session.query else ())


def _connections(connections: Connections) -> Evidence:
    said = text(
        "{used} of {usable} connections are in use",
        used=connections.used,
        usable=connections.max_connections - connections.reserved,
    )
    return fact(said, ACTIVITY)


def _work(sessions: Sequence[Session]) -> Iterator[Evidence]:
    active = sum(s.state == "active" and not s.own for s in sessions)
    yield fact(text("{sessions} are at work", sessions=_n(active)), ACTIVITY)
    idle = [s for s in sessions if s.state.startswith("idle in transaction") and s.transaction_age is not None]
    if idle:
        oldest = max(s.transaction_age for s in idle if s.transaction_age is not None)
        said = text("{sessions} idle inside a transaction, the oldest for {age}", sessions=_n(len(idle)), age=oldest)
        yield fact(said, ACTIVITY, (f"{s.pid} {s.application}: {s.query}" for s in idle))


def _n(count: int) -> Quantity:
    return Quantity(count, "sessions")
