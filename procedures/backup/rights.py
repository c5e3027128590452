"""What a backup and a restore need of the database, for ``muses-runbook doctor``. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from runbook.targets.postgres.access import quoted
from runbook.targets.postgres.granting import Named, commands
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
#: No role reads all large objects as ``pg_read_all_data`` reads all tables: each has rights of its own.
_CLOSED_LARGE: LiteralString = """
SELECT count(DISTINCT r.oid) = 1 AND count(m.oid) = 0 AS held
FROM pg_roles AS r
LEFT JOIN pg_largeobject_metadata AS m ON NOT r.rolsuper AND NOT pg_has_role(r.oid, m.lomowner, 'USAGE')
    AND NOT EXISTS (SELECT FROM aclexplode(m.lomacl) AS a WHERE a.privilege_type = 'SELECT'
        AND (a.grantee = 0 OR pg_has_role(r.oid, a.grantee, 'USAGE')))
WHERE r.rolname = %(role)s
"""


def reads_all(line: Line, operator: str) -> Right:
    """Whether the operator may read every table and sequence: ``pg_dump`` ends at the first that it may not."""
    from psycopg import sql

    held = bool(line.row(sql.SQL(_CLOSED), {"role": operator})["held"])
    what, mend = text("{role} reads all tables, for pg_dump", role=operator), quoted(operator)
    return Right(what=what, held=held, mend=f"GRANT pg_read_all_data TO {mend};", identity="operator")


def reads_large_objects(line: Line, operator: str) -> Right:
    """Whether the operator may read every large object, at which ``pg_dump`` would end too."""
    from psycopg import sql

    held = bool(line.row(sql.SQL(_CLOSED_LARGE), {"role": operator})["held"])
    what = text("{role} reads all large objects, for pg_dump", role=operator)
    return Right(what=what, held=held, mend=_grant_large(operator), identity="operator")


def _grant_large(operator: str) -> str:
    return commands("large objects", "", Named(operator, database="", schema=""))[0]
