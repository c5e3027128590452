"""The roles of a backup's globals, made where they are missing; those that are there stay as they are.

Tablespaces are not made: they name folders of the server that was dumped, and may be in use there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from procedures.backup.statements import statements

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection

_NAME = r"(?P<name>\"(?:[^\"]|\"\")+\"|[^\s;]+)"
_CREATE = re.compile(rf"CREATE ROLE {_NAME}")
_OF_ROLE = re.compile(rf"(?:ALTER ROLE|COMMENT ON ROLE) {_NAME}(?: .*)?", re.DOTALL)
_GRANT = re.compile(rf"(?P<what>GRANT .+ TO {_NAME}(?: WITH .*?)?)(?: GRANTED BY .+)?", re.DOTALL)
_LEFT_OUT = re.compile(
    r"(SET|SELECT|SECURITY LABEL|(CREATE|ALTER|COMMENT ON) TABLESPACE|(GRANT|REVOKE) .* ON TABLESPACE)\b"
)


def named(script: str) -> tuple[str, ...]:
    """The roles that the globals make, as SQL writes them."""
    return tuple(found["name"] for statement in statements(script) if (found := _CREATE.match(statement)))


def missing(connection: Connection, script: str) -> tuple[str, ...]:
    """Those of them that the server does not have."""
    (row,) = connection.execute("SELECT array_agg(quote_ident(rolname)) AS names FROM pg_roles").fetchall()
    return tuple(name for name in named(script) if name not in row["names"])


def make_roles(connection: Connection, script: str, *, login: bool) -> tuple[str, ...]:
    """Make the missing roles with their rights and settings, all or none; gives their names.

    Without ``login`` nobody can log in as one of them, and they have no password. Memberships are granted by who is
    connected. Raises the driver's errors, which the session around maps.
    """
    with connection.transaction():
        new = missing(connection, script)
        for statement in statements(script):
            if words := _wanted(statement, new.__contains__):
                connection.execute(words.encode())
        for name in () if login else new:
            connection.execute(f"ALTER ROLE {name} NOLOGIN PASSWORD NULL".encode())
    return new


def _wanted(statement: str, is_new: Callable[[str], bool]) -> str | None:
    """The statement as it is to be run; None for one that is not about a new role."""
    if _LEFT_OUT.match(statement):
        return None
    if found := _GRANT.fullmatch(statement):
        return found["what"] if is_new(found["name"]) else None
    if found := _CREATE.fullmatch(statement) or _OF_ROLE.fullmatch(statement):
        return statement if is_new(found["name"]) else None
    return statement
