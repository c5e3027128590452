"""Who waits for whom: the root blockers and the tree behind each. Reads the server's views only.

A prepared transaction blocks like a session but has none: the server gives its pid as 0, whichever it is. Which it is
tells the lock that is waited for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook.targets.postgres.access import statement
from runbook.targets.postgres.activity import sessions
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.structs import Blocker, Session, Waiter

#: What pg_blocking_pids gives for a prepared transaction.
PREPARED = 0

#: A node of the graph: the pid of a session, or the gid of a prepared transaction.
Node = int | str
Edges = Mapping[Node, Sequence[Node]]


@dataclass(frozen=True)
class Queue:
    """Everybody who waits or is waited for: ``waits_for`` leads towards the roots, ``blocks`` away from them."""

    known: dict[Node, Session]
    waits_for: Edges
    blocks: Edges
    wants: dict[int, str]
    held: dict[int, set[str]]

    def likeness(self, node: Node) -> tuple[str, str, str]:
        """What puts those that want the same for the same side by side."""
        session = self.known[node]
        return session.application, self.wants.get(session.pid, ""), session.query


def blockers(reader: Line) -> tuple[Blocker, ...]:
    """Root blockers, the one with most behind it first; ours are left out."""
    known = {session.pid: session for session in sessions(reader)}
    waiting = {pid: session for pid, session in known.items() if session.blocked_by}
    if not waiting:
        return ()
    queue = _queue(reader, known, waiting)
    roots = [node for node in queue.blocks if not queue.waits_for.get(node)]
    found = [_blocker(root, queue) for root in roots]
    others = [blocker for blocker in found if not blocker.session.own]
    return tuple(sorted(others, key=lambda blocker: (-blocker.waiting, -blocker.longest_wait)))


def _queue(reader: Line, known: Mapping[int, Session], waiting: Mapping[int, Session]) -> Queue:
    nodes: dict[Node, Session] = dict(known.items())
    waits_for: dict[Node, list[Node]] = {pid: sorted(set(s.blocked_by) - {PREPARED}) for pid, s in waiting.items()}
    stuck = [pid for pid, session in waiting.items() if PREPARED in session.blocked_by]
    held = _held(reader, {*waiting, *(pid for session in waiting.values() for pid in session.blocked_by)})
    if stuck:
        named = reader.rows(statement("prepared_blockers"), {"pids": stuck})
        for row in named:
            nodes.setdefault(row["gid"], _prepared(row))
            waits_for[row["pid"]] = [*dict.fromkeys((*waits_for[row["pid"]], row["gid"]))]
        for pid in set(stuck) - {row["pid"] for row in named}:  # it was ended while we looked
            waits_for[pid].append(PREPARED)
    blocks: dict[Node, list[Node]] = defaultdict(list)
    for node, aheads in waits_for.items():
        for ahead in aheads:
            if ahead not in nodes:
                nodes[ahead] = _departed(ahead)
            blocks[ahead].append(node)
    return Queue(nodes, waits_for, blocks, _wanted(reader, list(waiting)), held)


def _wanted(reader: Line, pids: list[int]) -> dict[int, str]:
    rows = reader.rows(statement("awaited_locks"), {"pids": pids})
    return {row["pid"]: f"{row['mode']} {row['relation'] or row['kind']}" for row in rows}


def _held(reader: Line, pids: set[int]) -> dict[int, set[str]]:
    held: dict[int, set[str]] = defaultdict(set)
    for row in reader.rows(statement("locked_relations"), {"pids": list(pids)}):
        held[row["pid"]].add(row["relation"])
    return held


def _blocker(root: Node, queue: Queue) -> Blocker:
    """What they fight for is what both sides hold or await; where a row lock leaves no trace, what the waiters do."""
    behind = tuple(_tree(root, queue))
    waiters = [waiter.session for waiter in behind]
    awaited = set[str]().union(*(queue.held.get(waiter.pid, set()) for waiter in waiters))
    common = awaited & queue.held.get(root, set()) if isinstance(root, int) else set[str]()
    return Blocker(
        session=queue.known[root],
        waiting=len(waiters),
        longest_wait=max((w.waiting or w.query_age or timedelta(0) for w in waiters), default=timedelta(0)),
        relations=tuple(sorted(common or awaited)),
        behind=behind,
        prepared=root if isinstance(root, str) else "",
    )


def _tree(root: Node, queue: Queue) -> Iterator[Waiter]:
    """Each one below the last of those that it stands behind, once, before those that wait for it."""
    depths = _depths(root, queue)
    shown, ahead = {root}, [root]
    while ahead:
        node = ahead.pop()
        if node != root:
            session = queue.known[node]
            yield Waiter(session=session, depth=depths[node], wants=queue.wants.get(session.pid, ""))
        below = [w for w in queue.blocks.get(node, ()) if w not in shown and depths[w] == depths[node] + 1]
        shown.update(below)
        ahead.extend(sorted(below, key=queue.likeness, reverse=True))


def _depths(root: Node, queue: Queue) -> dict[Node, int]:
    """How far each one stands from the root, by the longest way: who stands behind two stands behind the last of them.

    A ring (sessions that wait for each other until the server ends one) is broken where it was entered.
    """
    open_ = _unsettled(root, queue)
    depths, ready = {root: 0}, [root]
    while ready:
        node = ready.pop()
        open_.pop(node, None)
        for waiter in queue.blocks.get(node, ()):
            if waiter in open_:
                depths[waiter] = max(depths.get(waiter, 0), depths[node] + 1)
                open_[waiter] -= 1
                if not open_[waiter]:
                    ready.append(waiter)
        if not ready:
            ready.extend([waiter for waiter in open_ if waiter in depths][:1])
    return depths


def _unsettled(root: Node, queue: Queue) -> dict[Node, int]:
    """Everybody behind the root, with how many of those that he waits for are among them or the root."""
    reached, ahead = {root}, [root]
    while ahead:
        new = set(queue.blocks.get(ahead.pop(), ())) - reached
        reached |= new
        ahead.extend(new)
    return {node: sum(before in reached for before in queue.waits_for[node]) for node in reached - {root}}


def _prepared(row: dict[str, Any]) -> Session:
    return _without_session(
        PREPARED,
        "prepared",
        "prepared transaction",
        backend_start=row["prepared_at"],
        role=row["role"],
        database=row["database"],
        since=row["age"],
        transaction_age=row["age"],
    )


def _departed(node: Node) -> Session:
    """A blocker that ended while we looked."""
    prepared = node == PREPARED
    kind = "prepared transaction" if prepared else "gone"
    return _without_session(int(node), "prepared" if prepared else "gone", kind)


def _without_session(pid: int, state: str, backend_type: str, **known: Any) -> Session:
    nothing: dict[str, Any] = {
        "backend_start": datetime.now(UTC),
        "role": "",
        "application": "",
        "client": "",
        "database": "",
        "state_changed_at": None,
        "since": timedelta(0),
        "transaction_age": None,
        "query_age": None,
        "waiting": None,
        "wait_event_type": None,
        "wait_event": None,
        "query": "",
        "query_id": None,
        "blocked_by": (),
        "own": False,
    }
    return Session(pid=pid, state=state, backend_type=backend_type, **{**nothing, **known})
