"""What a backup needs of the database, for ``muses-runbook doctor``. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from runbook.targets.postgres.access import quoted
from runbook.targets.rights import Right
from runbook.text import text

if TYPE_CHECKING:
    from runbook.targets.postgres.connection import Line

_CLOSED: LiteralString = """
SELECT count(DISTINCT r.oid) = 1 AND count(c.oid) = 0 AS held
FROM pg_roles AS r
LEFT JOIN (pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace) ON c.relkind IN ('r', 'S')
    AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT (has_schema_privilege(r.oid, n.oid, 'USAGE') AND CASE c.relkind
        WHEN 'S' THEN has_sequence_privilege(r.oid, c.oid, 'SELECT')
        ELSE has_table_privilege(r.oid, c.oid, 'SELECT')
    END)
WHERE r.rolname = %(role)s
"""


def reads_all(line: Line, operator: str) -> Right:
    """Whether the operator may read every table and sequence: ``pg_dump`` ends at the first that it may not."""
    from psycopg import sql

    held = bool(line.row(sql.SQL(_CLOSED), {"role": operator})["held"])
    what, mend = text("{role} reads all tables, for pg_dump", role=operator), quoted(operator)
    return Right(what=what, held=held, mend=f"GRANT pg_read_all_data TO {mend};", identity="operator")
