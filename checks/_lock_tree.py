"""Who waits behind whom, drawn as a tree, and what a root blocker is in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from checks._found import SHOWN
from runbook.model import Evidence
from runbook.text import Quantity, Text, text

if TYPE_CHECKING:
    from runbook.targets.postgres.structs import Blocker, Session, Waiter

SOURCE = "pg_locks"
#: Lines of one tree: a person reads the first, the count says the rest.
LINES = 3 * SHOWN
#: Characters of a statement in a line of the tree.
STATEMENT = 90
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def summary(blocker: Blocker) -> Text:
    """Who holds up whom, for how long, and since when it has done nothing."""
    session = blocker.session
    given = {
        "waiting": _n(blocker.waiting),
        "wait": blocker.longest_wait,
        "relations": ", ".join(blocker.relations) or "—",
        "age": session.transaction_age or session.since,
    }
    if blocker.prepared:
        return text(
            "The prepared transaction {gid} of {role} has been left open for {age} and holds {relations}: {waiting} "
            "wait for it, the longest for {wait}",
            gid=blocker.prepared,
            role=session.role,
            **given,
        )
    who = {"application": name(session), "pid": str(session.pid)}
    if session.state.startswith("idle in transaction"):
        return text(
            "{application} (pid {pid}) holds a lock that {waiting} wait for, the longest for {wait}: it opened a "
            "transaction {age} ago, took {relations} and has done nothing for {idle}",
            idle=session.since,
            **who,
            **given,
        )
    return text(
        "{application} (pid {pid}) holds a lock that {waiting} wait for, the longest for {wait}: its transaction has "
        "been at work for {age} and holds {relations}",
        **who,
        **given,
    )


def evidence(blocker: Blocker) -> Evidence:
    """The root in words and the tree below it, line by line."""
    session = blocker.session
    said = text(
        "Root blocker: pid {pid}, {application} of {role} at {client}, {state} for {since}; {waiting} want {relations}",
        pid=str(session.pid),
        application=blocker.prepared or session.application,
        role=session.role,
        client=session.client or "—",
        state=session.state,
        since=session.since,
        waiting=_n(blocker.waiting),
        relations=", ".join(blocker.relations) or "—",
    )
    lines = tuple(_lines(blocker))
    return Evidence(statement=said, source=SOURCE, sample=lines[:LINES], count=len(lines))


def name(session: Session) -> str:
    """The application as it calls itself, else the role; the server's own processes by their kind."""
    return session.application or session.role or session.backend_type


def line(session: Session) -> str:
    """One session in a line: the same in every language."""
    age = session.transaction_age if session.transaction_age is not None else session.since
    return f"{session.pid} {name(session)} [{session.state}, {brief(age)}] {cut(session.query)}".rstrip()


def ended_by_a_person(gid: str, role: str) -> Text:
    """What is to be done about a prepared transaction: its name as SQL writes it, for whoever copies the command."""
    return text(
        "Ask {role}, then end it: COMMIT PREPARED or ROLLBACK PREPARED {gid}",
        role=role,
        gid=literal(gid),
    )


def literal(words: str) -> str:
    """A string as SQL writes it, in a command that a person copies."""
    return "'" + words.replace("'", "''") + "'"


def cut(statement: str) -> str:
    """The statement's first words."""
    return statement if len(statement) <= STATEMENT else statement[: STATEMENT - 1] + "…"


def brief(span: timedelta) -> str:
    """The two largest units of a span that matter: the same in every language."""
    total = max(0, round(span.total_seconds()))
    parts = []
    for unit, seconds in _UNITS:
        amount, total = divmod(total, seconds)
        parts.append((amount, unit))
    first = next((index for index, (amount, _) in enumerate(parts) if amount), len(parts) - 1)
    return " ".join(f"{amount} {unit}" for amount, unit in parts[first : first + 2] if amount) or "0 s"


def _lines(blocker: Blocker) -> Iterator[str]:
    yield f"{blocker.prepared} [prepared]" if blocker.prepared else line(blocker.session)
    for _, alike in groupby(_leaves(blocker.behind), key=_likeness):
        yield _waiter([waiter for waiter, _ in alike])


def _leaves(behind: Sequence[Waiter]) -> Iterator[tuple[Waiter, bool]]:
    """Each one and whether nobody waits for it: the next in the tree stands no deeper."""
    for number, waiter in enumerate(behind):
        yield waiter, number + 1 == len(behind) or behind[number + 1].depth <= waiter.depth


def _likeness(entry: tuple[Waiter, bool]) -> tuple[object, ...]:
    """Those that nobody waits for and that want the same for the same are one line; any other is one by itself."""
    waiter, leaf = entry
    session = waiter.session
    return leaf, waiter.depth, name(session), waiter.wants, session.query, None if leaf else session.pid


def _waiter(alike: Sequence[Waiter]) -> str:
    first = alike[0]
    waited = max(waiter.session.waiting or waiter.session.query_age or timedelta(0) for waiter in alike)
    who = f"{len(alike)} × {name(first.session)}" if len(alike) > 1 else f"{first.session.pid} {name(first.session)}"
    indent = "   " * (first.depth - 1)
    return f"{indent}└─ {who} [{first.wants}, {brief(waited)}] {cut(first.session.query)}"


def _n(count: int) -> Quantity:
    return Quantity(count, "sessions")
