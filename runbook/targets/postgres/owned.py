"""What the operator must own to change it, and the GRANT that is missing where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from runbook.targets.postgres.access import Access, quoted, statement
from runbook.targets.postgres.operator import Operator
from runbook.text import text

if TYPE_CHECKING:
    from psycopg import sql


def table_facts(operator: Operator, table: str) -> dict[str, Any]:
    """A table as the operator finds it. Refuses where there is none."""
    schema = operator.access.settings.schema
    rows = operator.rows(statement("table_facts"), {"schema": schema, "table": table})
    if not rows:
        operator.refuse(text("There is no table {schema}.{table}", schema=schema, table=table))
    return rows[0]


def own(operator: Operator, facts: Mapping[str, Any]) -> None:
    """Fail with the GRANT unless the operator is of the owner's role."""
    if not facts["owned"]:
        grant(operator, facts["owner"])


def grant(operator: Operator, role: str) -> NoReturn:
    """Fail: the operator lacks a role."""
    words = f"GRANT {quoted(role)} TO {quoted(operator.access.login('operator').user)}"
    operator.fail(text("The right is missing: {command}", command=words))


def within(access: Access, name: str) -> sql.Identifier:
    """A name in the site's schema."""
    from psycopg import sql

    return sql.Identifier(access.settings.schema, name)
