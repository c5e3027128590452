"""Budgets of connections, and the application that spends one on sessions which do nothing. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from checks import _sessions
from checks._found import confirmed, fact, ruled_out, unknown
from runbook.model import Evidence, Finding, Proof, Step
from runbook.text import Quantity, Text, text

if TYPE_CHECKING:
    from runbook.targets.postgres.structs import Connections, Session

#: The share of an application's sessions that do nothing when it leaks, and of the budget that they fill.
IDLE, HELD = 0.8, 0.5
SOURCE = "pg_stat_activity"


@dataclass(frozen=True)
class Budget:
    """Connections that may be held, and are: of a role (``role``), of the database or of the server (None)."""

    name: str
    used: int
    limit: int
    said: Text
    role: str | None = None

    @property
    def percent(self) -> float:
        """How much of it is used; all of a budget of nothing."""
        return 100 * self.used / self.limit if self.limit > 0 else 100.0


def budgets(connections: Connections) -> tuple[Budget, ...]:
    """The server's budget, the database's where it has one, and that of each role with a limit."""
    usable = connections.max_connections - connections.reserved
    said = text("The server holds {used} of {limit}", used=connections.used, limit=_c(usable))
    found = [Budget("server", connections.used, usable, said)]
    if connections.database_limit is not None:
        used, limit = connections.database_used, connections.database_limit
        said = text("The database holds {used} of {limit}", used=used, limit=_c(limit))
        found.append(Budget("database", used, limit, said))
    for role in connections.roles:
        if role.limit is not None:
            said = text("Role {role} holds {used} of {limit}", role=role.role, used=role.used, limit=_c(role.limit))
            found.append(Budget(role.role, role.used, role.limit, said, role.role))
    return tuple(found)


def leaked(
    budgets: Sequence[Budget], sessions: Sequence[Session], *, idle_longer: timedelta, down_to: float, most: int
) -> Finding:
    """Whether one application fills the tightest budget with sessions that have been idle for long."""
    tightest = max(budgets, key=lambda budget: budget.percent)
    clients = [s for s in sessions if s.backend_type == "client backend" and not s.own]
    inside = [s for s in clients if tightest.role in (None, s.role)]
    by_application = sorted(_groups(inside), key=lambda group: -len(group))
    evidence = (fact(tightest.said, SOURCE), *(_held(group, idle_longer) for group in by_application[:5]))
    for group in by_application:
        idle = sorted((s for s in group if s.state == "idle" and s.since >= idle_longer), key=lambda s: -s.since)
        if _fill(idle, group, tightest):
            surplus = tightest.used - math.floor(tightest.limit * down_to / 100)
            ending = idle[: max(0, min(surplus, most, len(group) - 1))]
            return confirmed(_leaks(group, idle), *evidence, end=[_sessions.handle(s) for s in ending], held=len(group))
    if any(_fill([s for s in group if s.state == "idle"], group, tightest) for group in by_application):
        briefly = text("An application's idle sessions hold most connections, but have not been idle for long")
        return unknown(briefly, *evidence)
    return ruled_out(text("No application holds most of the connections without using them"), *evidence)


def steps(finding: Finding) -> Iterator[Step]:
    """End the sessions that the finding names, each by itself."""
    if finding.proof is Proof.CONFIRMED:
        yield from (_sessions.end(named, finding.data["held"]) for named in finding.data["end"])


def _fill(idle: Sequence[Session], group: Sequence[Session], budget: Budget) -> bool:
    """Whether these are most of the application's sessions and of the budget."""
    return len(idle) >= IDLE * len(group) and len(idle) >= HELD * budget.used


def _groups(sessions: Sequence[Session]) -> Iterator[list[Session]]:
    def owner(session: Session) -> tuple[str, str]:
        return session.role, session.application

    return (list(group) for _, group in groupby(sorted(sessions, key=owner), key=owner))


def _leaks(group: Sequence[Session], idle: Sequence[Session]) -> Text:
    return text(
        "{application} (role {role}) holds {held}, {idle} of them idle, the oldest for {oldest}",
        application=group[0].application or "—",
        role=group[0].role,
        held=Quantity(len(group), "sessions"),
        idle=len(idle),
        oldest=idle[0].since,
    )


def _held(group: Sequence[Session], idle_longer: timedelta) -> Evidence:
    idle = sum(s.state == "idle" and s.since >= idle_longer for s in group)
    said = text(
        "{application} holds {held}; {idle} have been idle for more than {time}",
        application=group[0].application or "—",
        held=Quantity(len(group), "sessions"),
        idle=idle,
        time=idle_longer,
    )
    return fact(said, SOURCE)


def _c(count: int) -> Quantity:
    return Quantity(count, "connections")
