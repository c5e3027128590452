"""Slow statements on the exchange and core tables, and the index that would help them.

A statement is slow when it computes, not when it waits for a lock: that is another cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from checks import _slow_log
from checks._found import confirmed, fact, ruled_out, unknown
from runbook.errors import ProbeError, ProbeFailure
from runbook.model import Evidence, Finding
from runbook.text import Quantity, Text, percent, text

if TYPE_CHECKING:
    from runbook.targets.logs.logs import Logs
    from runbook.targets.postgres.database import Database
    from runbook.targets.postgres.structs import IndexProposal, Session, Statement, TableStats
    from runbook.targets.slow_log.findings import SlowStatement

#: Time over which the server's counters are compared.
PAUSE = timedelta(seconds=1)
#: The guide's tables.
OURS = re.compile(r"\btb(?:ae|mu)\d", re.IGNORECASE)
#: Shares of all statements' time and of the pause from which on a missing index explains the latency.
DOMINATES, BUSY = 0.3, 0.1
#: What our own statements name that try an index: they are no part of the load.
TRIAL = '"pg_temp".'
#: Statements for which the planner is asked.
ASKED = 5
#: Statistics are stale when more than this share of the rows changed since the last ANALYZE.
STALE = 0.2
#: Tables smaller than this are read in a moment, with statistics or without.
SMALL = 10_000


@dataclass(frozen=True)
class Seen:
    """What the database does now. ``between`` is None where the server counts no statements."""

    between: tuple[Statement, ...] | None
    running: tuple[Session, ...]
    logged: tuple[SlowStatement, ...]
    locked: int
    notes: tuple[Evidence, ...] = ()

    def share(self, chosen: Iterable[Statement]) -> float:
        """The part of all statements' time that some of them took, 0 to 1."""
        total = sum((s.total for s in self.between or ()), timedelta(0))
        return sum((s.total for s in chosen), timedelta(0)) / total if total else 0.0


def look(database: Database, logs: Logs, slow: timedelta) -> Seen:
    """Compare the counters over a pause, look at who runs what now, read the slow log where there is one."""
    sessions = database.sessions()
    running = tuple(s for s in sessions if _computes(s) and s.query_age is not None and s.query_age >= slow)
    between, uncounted = _between(database)
    logged, unread = _slow_log.read(database, logs)
    logged = tuple(s for s in logged if TRIAL not in s.query)
    locked = sum(s.wait_event_type == "Lock" for s in sessions)
    return Seen(between, running, logged, locked, (*uncounted, *unread))


def suspects(seen: Seen) -> tuple[str, ...]:
    """The statements on our tables that take most time, worst first: by id where the server keeps their full text."""
    counted = [s.id for s in seen.between or () if OURS.search(s.query)]
    now = [s.query_id or s.query for s in seen.running]
    logged = [s.query for s in sorted(seen.logged, key=lambda s: -s.total) if OURS.search(s.query)]
    return tuple(dict.fromkeys((*now, *counted, *logged)))[:ASKED]


def slow(seen: Seen, proposals: Sequence[IndexProposal], tables: Iterable[TableStats], limit: timedelta) -> Finding:
    """Whether statements explain the latency: because an index is missing, or because they take long anyway."""
    evidence = (*_evidence(seen), *map(_proposal, proposals), *seen.notes)
    proven = tuple(p for p in proposals if p.proven)
    helped = [s for s in seen.between or () if any(_looks_up(s, p) for p in proven)]
    share = seen.share(helped)
    if share >= DOMINATES and sum((s.total for s in helped), timedelta(0)) >= BUSY * PAUSE:
        return confirmed(_missing(share, proven), *evidence, **_for_the_remedy(proven, helped, tables))
    long = [s for s in seen.between or () if OURS.search(s.query) and s.mean >= limit]
    if seen.locked and not seen.running:
        return ruled_out(text("The statements wait for locks; they are not slow by themselves"), *evidence)
    if long or seen.running:
        remedy = _for_the_remedy(proven, long, tables)
        return confirmed(_long(long, seen.running), *evidence, advice=_advice(), **remedy)
    if seen.between is None:
        return unknown(text("The server does not count its statements: many short ones would not show"), *evidence)
    return ruled_out(text("No statement on the tables tbae* and tbmu* is slow"), *evidence)


def _looks_up(statement: Statement, proposal: IndexProposal) -> bool:
    """Whether the index is for this statement, or for the same columns in another one's words."""
    words = set(re.findall(r"\w+", statement.query.lower()))
    return statement.query == proposal.statement or {proposal.table, *proposal.columns} <= words


def _computes(session: Session) -> bool:
    at_work = session.state == "active" and session.wait_event_type != "Lock"
    return at_work and not session.own and bool(OURS.search(session.query))


def _between(database: Database) -> tuple[tuple[Statement, ...] | None, tuple[Evidence, ...]]:
    try:
        return database.statements_between(PAUSE), ()
    except ProbeError as error:
        if error.kind not in (ProbeFailure.ABSENT, ProbeFailure.BLIND):
            raise
        return None, (fact(error.said, "pg_stat_statements"),)


def _evidence(seen: Seen) -> Iterator[Evidence]:
    top = [s for s in seen.between or () if OURS.search(s.query)]
    if seen.between is not None:
        said = text(
            "In {pause} the statements on tbae* and tbmu* took {share} of the time of all",
            pause=PAUSE,
            share=percent(100 * seen.share(top)),
        )
        yield fact(said, "pg_stat_statements", (_line(s, seen) for s in top))
    if seen.running:
        said = text("{sessions} have been at one statement for long", sessions=_n(len(seen.running), "sessions"))
        yield fact(said, "pg_stat_activity", (f"{s.pid} {s.application}: {s.query}" for s in seen.running))
    yield from _slow_log.evidence(s for s in seen.logged if OURS.search(s.query))


def _proposal(proposal: IndexProposal) -> Evidence:
    said = text(
        "With an index on {table} ({columns}) the planner's cost falls from {before} to {after} ({method})",
        table=proposal.table,
        columns=", ".join(proposal.columns),
        before=proposal.cost_before,
        after=proposal.cost_after,
        method=proposal.method,
    )
    return fact(said, "EXPLAIN", (proposal.statement,))


def _missing(share: float, proven: Sequence[IndexProposal]) -> Text:
    first = proven[0]
    return text(
        "Statements without an index on {table} ({columns}) take {share} of the database's time",
        table=first.table,
        columns=", ".join(first.columns),
        share=percent(100 * share),
    )


def _long(long: Sequence[Statement], running: Sequence[Session]) -> Text:
    if long:
        return text("A statement on the tables tbae* and tbmu* takes {mean} on average", mean=max(s.mean for s in long))
    age = max(s.query_age for s in running if s.query_age is not None)
    return text("A statement on the tables tbae* and tbmu* has been running for {age}", age=age)


def _advice() -> tuple[Text, ...]:
    return (text("Look at the statement's plan with EXPLAIN (ANALYZE, BUFFERS): no index is proven to help"),)


def _for_the_remedy(
    proven: Iterable[IndexProposal], slow: Sequence[Statement], tables: Iterable[TableStats]
) -> dict[str, Any]:
    """The indexes that help, each once, and the tables of the slow statements whose statistics are stale."""
    indexes = {
        p.name: {"arguments": p.arguments, "fingerprint": p.fingerprint, "bytes": p.bytes_estimate} for p in proven
    }
    words = " ".join(s.query for s in slow)
    stale = [{"table": t.table, "fingerprint": t.fingerprint} for t in tables if _stale(t) and t.table in words]
    return {"indexes": list(indexes.values()), "stale": stale}


def _stale(table: TableStats) -> bool:
    changed = table.modified_since_analyze > STALE * table.live_rows
    return table.live_rows >= SMALL and (table.last_analyze is None or changed)


def _line(statement: Statement, seen: Seen) -> str:
    share = round(100 * seen.share((statement,)))
    return f"{share}%, {statement.calls} × {_ms(statement.mean)} ms: {statement.query}"


def _ms(span: timedelta) -> str:
    return f"{span.total_seconds() * 1000:.3g}"


def _n(count: int, noun: str) -> Quantity:
    return Quantity(count, noun)
