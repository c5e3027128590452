"""Transactions that stay open: whose they are, and which of them may be ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from checks import _lock_tree, _sessions
from checks._found import confirmed, fact, ruled_out, told
from checks._overload import is_a_tool, may_be_ended
from runbook.limits import Limits
from runbook.model import Finding, Step
from runbook.rows import Findings, NoPlan
from runbook.text import Quantity, Text, text

if TYPE_CHECKING:
    from runbook.targets.postgres.structs import Session

SOURCE = "pg_stat_activity"


def at_work(sessions: Iterable[Session]) -> list[Session]:
    """Transactions of clients that do something; those of dumps and the like take as long as they take."""
    return [s for s in _clients(sessions) if s.transaction_age is not None and not _idle(s) and not is_a_tool(s)]


def idle(sessions: Iterable[Session]) -> list[Session]:
    """Transactions of clients that do nothing."""
    return [s for s in _clients(sessions) if _idle(s)]


def judge_work(sessions: Iterable[Session], limits: Limits) -> None:
    """Each holder by its oldest transaction."""
    for holder, held in _by_holder(at_work(sessions)):
        oldest = max(held, key=_age)
        words = text(
            "{holder} has been in a transaction for {age} (pid {pid}): {statement}",
            holder=holder,
            age=_age(oldest),
            pid=str(oldest.pid),
            statement=_lock_tree.cut(oldest.query) or "—",
        )
        limits.judge(_age(oldest), of=holder, summary=words)


def judge_idleness(sessions: Iterable[Session], limits: Limits) -> None:
    """Each holder by the transaction in which it has done nothing for longest."""
    for holder, held in _by_holder(idle(sessions)):
        longest = max(held, key=_since)
        words = text(
            "{holder} has {sessions} open that do nothing inside their transaction, one for {idle} (pid {pid}), since: "
            "{statement}",
            holder=holder,
            sessions=Quantity(len(held), "sessions"),
            idle=longest.since,
            pid=str(longest.pid),
            statement=_lock_tree.cut(longest.query) or "—",
        )
        limits.judge(longest.since, of=holder, summary=words)


def forgotten(sessions: Iterable[Session], *, longer: timedelta, most: int) -> Finding:
    """Which of them have been idle for so long that nobody comes back to them, longest first."""
    found = sorted((s for s in idle(sessions) if s.since > longer), key=_since, reverse=True)
    if not found:
        return ruled_out(text("No session has been idle inside its transaction for more than {time}", time=longer))
    said = text(
        "{sessions} have been idle inside their transaction for more than {time}",
        sessions=Quantity(len(found), "sessions"),
        time=longer,
    )
    ending = [_sessions.handle(s) for s in found if may_be_ended(s)][:most]
    return confirmed(said, fact(said, SOURCE, map(_lock_tree.line, found)), end=ending)


def steps(findings: Findings, cause: str) -> Iterator[Step]:
    """End each of them by itself. Raises NoPlan where none may be ended."""
    ending = told(findings, cause, "end")
    if not ending:
        raise NoPlan(NOBODY)
    yield from map(_sessions.end, ending)


NOBODY: Text = text("None of them is a client's that may be ended yet: a person decides")


def _clients(sessions: Iterable[Session]) -> Iterator[Session]:
    return (s for s in sessions if s.backend_type == "client backend" and not s.own)


def _idle(session: Session) -> bool:
    return session.state.startswith("idle in transaction")


def _by_holder(sessions: Iterable[Session]) -> Iterator[tuple[str, list[Session]]]:
    found = sorted(sessions, key=_lock_tree.name)
    return ((holder, list(held)) for holder, held in groupby(found, key=_lock_tree.name))


def _age(session: Session) -> timedelta:
    return session.transaction_age or timedelta(0)


def _since(session: Session) -> timedelta:
    return session.since
