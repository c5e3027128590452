"""Who is in the database. Reads the server's views only, never a table that may be locked."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import msgspec

from runbook.learnt import learnt
from runbook.targets.postgres.access import APPLICATION, quoted, statement
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.failures import blind
from runbook.targets.postgres.structs import ApplicationUse, Connections, RoleUse, Session, Sight
from runbook.targets.sql_text import normalised
from runbook.text import text


def sight(reader: Line) -> Sight:
    """Who answers and what it shows us."""
    return msgspec.convert(reader.row(statement("sight")), learnt(Sight))


def seeing(reader: Line) -> dict[str, Any]:
    """Prove that other roles' sessions and statements are shown to us. Raises ProbeError(BLIND) with the GRANT."""
    return shown(reader, reader.row(statement("seeing")))


def shown(reader: Line, found: dict[str, Any]) -> dict[str, Any]:
    """What was read about our own sight, where it is sight. Raises ProbeError(BLIND) with the GRANT."""
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
    return Connections(
        **limits,
        roles=tuple(sorted(roles, key=lambda role: -role.used)),
        applications=tuple(_application_use(use) for use in sorted(uses, key=lambda use: -use["used"]) if use["used"]),
    )


def sessions(reader: Line) -> tuple[Session, ...]:
    """All backends, longest transaction first."""
    seeing(reader)
    rows = reader.rows(statement("sessions"), {"application": APPLICATION, "roles": list(own_roles(reader))})
    return tuple(msgspec.convert({**row, "query": normalised(row["query"])}, learnt(Session)) for row in rows)


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


def _application_use(row: dict[str, Any]) -> ApplicationUse:
    return ApplicationUse(**{name: value for name, value in row.items() if name != "limit"})
