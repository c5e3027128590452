"""Whether the database is overloaded, and by whom: locks, connections, work, cleaning. Pure but for the look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from checks import _at_work, _leaks, _lock_tree, _sessions, _upkeep
from checks._found import confirmed, fact, ruled_out, unknown
from runbook.limits import Limits, Number
from runbook.model import Evidence, Finding
from runbook.text import Quantity, Text, percent, text

if TYPE_CHECKING:
    from runbook.targets.postgres.database import Database
    from runbook.targets.postgres.load_structs import Load
    from runbook.targets.postgres.structs import Blocker, Connections, Session

ACTIVITY = "pg_stat_activity"
#: What was looked at, in the order in which it is told.
WORK, TRANSACTIONS, CONNECTIONS, UPKEEP = "work", "transactions", "connections", "upkeep"
#: Long enough to tell a wait from a moment, short enough for a person who waits.
SPAN = timedelta(seconds=1)
#: A transaction that is open for longer than any of the services' own.
LONG = timedelta(minutes=1)
#: What the cause is judged by; the row's own settings.
SETTINGS: dict[str, Number] = {
    # Longer than any statement of the services holds a lock.
    "lock_wait": timedelta(seconds=5),
    # Of the connections that can be used; the critical limit of row DB-01.
    "connections": 90,
    # More sessions at work at once than most servers have cores.
    "at_work": 16,
    # Of a table's rows, in percent: then it is twice as large as it need be.
    "dead_rows": 50,
    # A weekend, and a day to act in.
    "writes_left": timedelta(days=3),
}


@dataclass(frozen=True)
class Seen:
    """One look at the database."""

    blockers: tuple[Blocker, ...]
    connections: Connections
    sessions: tuple[Session, ...]
    load: Load
    upkeep: _upkeep.Upkeep


def look(database: Database) -> Seen:
    """Everything at about the same time. Raises ProbeError where sessions cannot be seen: then nothing is known."""
    return Seen(
        database.blockers(),
        database.connections(),
        database.sessions(),
        database.load(SPAN),
        _upkeep.look(database),
    )


def overloaded(seen: Seen, limits: Limits) -> Finding:
    """The first that explains it: a lock, connections that run out, cleaning that stopped, too much work at once."""
    blocked = blocking(seen.blockers, limits.span("lock_wait"), *_facts(seen, WORK))
    if blocked is not None:
        return blocked
    tightest = max(_leaks.budgets(seen.connections), key=lambda budget: budget.percent)
    if tightest.percent >= limits.number("connections"):
        see = text("See row DB-01: who holds the connections")
        summary = _full(seen.connections, tightest)
        return confirmed(summary, *_facts(seen, CONNECTIONS), advice=(see,), roots=[])
    wrong = _upkeep.trouble(seen.upkeep, dead=limits.number("dead_rows"), writes_left=limits.span("writes_left"))
    if wrong is not None:
        return confirmed(wrong.summary, *_facts(seen, UPKEEP), advice=wrong.advice, roots=[])
    waits = seen.load.waits
    if max(_at_work.busy(waits), _at_work.locked(waits)) >= limits.number("at_work"):
        return confirmed(_at_work.summary(waits), *_facts(seen, WORK), advice=_ask(), roots=[])
    if seen.upkeep.unread or waits.hidden:
        partly = text("Nobody waits for a lock and there are connections left, but not all could be looked at")
        return unknown(partly, *_facts(seen, UPKEEP))
    return ruled_out(text("Nobody waits for a lock, and there are connections left"), *_facts(seen, WORK))


def may_be_ended(session: Session) -> bool:
    """Whether it may be ended to free others: a client that does nothing inside its transaction, and is no tool."""
    idle = session.state.startswith("idle in transaction")
    return session.backend_type == "client backend" and idle and not session.own and not is_a_tool(session)


def is_a_tool(session: Session) -> bool:
    """Whether it is a dump, a copy or the like, which nobody ends."""
    from runbook.targets.postgres.operations import SPARED

    return session.application.casefold().startswith(SPARED)


def blocking(blockers: Sequence[Blocker], lock_wait: timedelta, *others: Evidence) -> Finding | None:
    """That somebody holds what others have waited for, at least for so long; None where nobody does."""
    roots = [blocker for blocker in blockers if blocker.longest_wait >= lock_wait]
    if not roots:
        return None
    named = [_named(root) for root in roots if not root.prepared]
    facts = (*map(_lock_tree.evidence, roots[:2]), *others, *map(_lock_tree.evidence, roots[2:]))
    return confirmed(_lock_tree.summary(roots[0]), *facts, advice=_advice(roots[0]), roots=named)


def _named(blocker: Blocker) -> dict[str, Any]:
    return _sessions.handle(blocker.session) | {"may_be_ended": may_be_ended(blocker.session)}


def _advice(blocker: Blocker) -> tuple[Text, ...]:
    session = blocker.session
    if blocker.prepared:
        return (_lock_tree.ended_by_a_person(blocker.prepared, session.role),)
    if may_be_ended(session):
        return ()
    return (
        text(
            "The session {pid} is at work or not a client's: ask {application} before anybody ends it",
            pid=str(session.pid),
            application=_lock_tree.name(session),
        ),
    )


def _ask() -> tuple[Text, ...]:
    return (text("Ask who runs it whether it can wait; see the slow queries for an index that would help"),)


def _full(connections: Connections, tightest: _leaks.Budget) -> Text:
    """Who holds most of the tightest budget."""
    inside = [use for use in connections.applications if tightest.role in (None, use.role)]
    if not inside:
        return text("{share} of the server's connections are in use", share=percent(tightest.percent))
    most = inside[0]
    return text(
        "{used} of {limit} connections are in use ({budget}); {application} holds {held}: {active} at work, "
        "{idle} idle, {open} idle in a transaction",
        used=tightest.used,
        limit=tightest.limit,
        budget=tightest.name,
        application=most.application or most.role,
        held=most.used,
        active=most.active,
        idle=most.idle,
        open=most.idle_in_transaction,
    )


def _facts(seen: Seen, first: str) -> tuple[Evidence, ...]:
    """All that was seen, what explains the conclusion first: a report shows the first few."""
    groups = {
        WORK: tuple(_at_work.evidence(seen.load)),
        TRANSACTIONS: tuple(_transactions(seen.sessions)),
        CONNECTIONS: (_connections(seen.connections),),
        UPKEEP: tuple(_upkeep.evidence(seen.upkeep)),
    }
    return (*groups.pop(first), *(found for group in groups.values() for found in group))


def _connections(connections: Connections) -> Evidence:
    said = text(
        "{used} of {usable} connections are in use",
        used=connections.used,
        usable=connections.max_connections - connections.reserved,
    )
    lines = (
        f"{use.application or '—'} ({use.role}): {use.used} = {use.active} active + {use.idle} idle"
        f" + {use.idle_in_transaction} idle in transaction; +{connections.left_for(use.role)}"
        for use in connections.applications
    )
    return fact(said, ACTIVITY, lines)


def _transactions(sessions: Iterable[Session]) -> Iterator[Evidence]:
    others = [s for s in sessions if not s.own]
    idle = [s for s in others if s.state.startswith("idle in transaction") and s.transaction_age is not None]
    if idle:
        said = text(
            "{sessions} idle inside a transaction, the oldest for {age}", sessions=_n(len(idle)), age=_oldest(idle)
        )
        yield fact(said, ACTIVITY, map(_lock_tree.line, idle))
    long = [s for s in others if s.transaction_age is not None and s.transaction_age >= LONG and s not in idle]
    if long:
        said = text("{sessions} in a long transaction, the oldest for {age}", sessions=_n(len(long)), age=_oldest(long))
        yield fact(said, ACTIVITY, map(_lock_tree.line, long))


def _oldest(sessions: Sequence[Session]) -> timedelta:
    return max(s.transaction_age for s in sessions if s.transaction_age is not None)


def _n(count: int) -> Quantity:
    return Quantity(count, "sessions")
