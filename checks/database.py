"""The database's connections: how near its limits are, and who holds them for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _leaks
from runbook.limits import Limits, Threshold
from runbook.model import Finding, Risk, Step
from runbook.rows import Findings, diagnoses, remedies, row

if TYPE_CHECKING:
    from runbook.targets.postgres.database import Database


@row(
    "DB-01",
    source="Guía de Operaciones §3 (errores de conexión a la BD); 80 % y 90 % como check_postgres y check_pgactivity",
    es="La base de datos tiene conexiones libres",
    threshold=Threshold(warning=80, critical=90, unit="%"),
    settings={
        # Longer than a pool leaves a session unused under load.
        "idle_longer": timedelta(minutes=10),
        # Room for those who were refused and come back at once.
        "down_to": 60,
        # What the policy lets a plan touch unless the site says otherwise.
        "most_ended": 8,
    },
)
def check_database_takes_connections(database: Database, limits: Limits) -> None:
    """The database has connections left.

    At its limit a role, a database or the server refuses everybody who comes next, the services first.
    """
    for budget in _leaks.budgets(database.connections()):
        limits.judge(budget.percent, of=budget.name, summary=budget.said)


@diagnoses(check_database_takes_connections, es="Una aplicación retiene sesiones que no usa (fuga de conexiones)")
def sessions_are_leaked(database: Database, limits: Limits) -> Finding:
    """An application holds sessions that it does not use (a leak of connections)."""
    return _leaks.leaked(
        _leaks.budgets(database.connections()),
        database.sessions(),
        idle_longer=limits.span("idle_longer"),
        down_to=limits.number("down_to"),
        most=int(limits.number("most_ended")),
    )


@remedies(check_database_takes_connections, risk=Risk.MEDIUM, settles=timedelta(minutes=1))
def end_leaked_sessions(findings: Findings) -> Iterator[Step]:
    """End the idle sessions of the application that leaks, oldest first, and leave it one."""
    return _leaks.steps(findings["sessions_are_leaked"])
