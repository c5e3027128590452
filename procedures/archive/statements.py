"""The statements by which restored rows land; ``landing`` says in which order.

``muses_arrived`` holds one batch: the columns of its manifest and, before them, the SHA-256 of each row's line.
``muses_taken`` holds the keys of all rows that came so far, with theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from runbook.targets.s3.archives import Column

if TYPE_CHECKING:
    from psycopg import sql

#: Conflicts that are shown; all are counted.
SHOWN = 20
ARRIVED, TAKEN = "muses_arrived", "muses_taken"
#: No column of anybody's has this name.
_DIGEST = "muses_runbook_sha256"

LIVE = """
SELECT a.attname::text AS name, format_type(a.atttypid, -1) AS type, a.attgenerated <> '' AS generated
FROM pg_attribute AS a
WHERE a.attrelid = to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
UNKNOWN_TYPES = "SELECT t FROM unnest(%(types)s::text[]) AS t WHERE to_regtype(t) IS NULL"
COLLAPSE = """
WITH gone AS (
    DELETE FROM pg_temp.muses_arrived AS a USING pg_temp.muses_taken AS l WHERE {same_key}
    RETURNING a.{digest} = l.{digest} AS same
)
SELECT count(*) FILTER (WHERE same) AS repeated, count(*) FILTER (WHERE NOT same) AS older FROM gone
"""
TAKE = "INSERT INTO pg_temp.muses_taken ({digest}, {own_key}) SELECT a.{digest}, {key} FROM pg_temp.muses_arrived AS a"
MEET = """
WITH met AS (
    DELETE FROM pg_temp.muses_arrived AS a USING {table} AS l WHERE {same_key}
    RETURNING concat_ws(', ', {key}) AS key, ROW({arrived})::record *= ROW({live})::record AS same
)
SELECT count(*) FILTER (WHERE same) AS identical, count(*) FILTER (WHERE NOT same) AS different,
       (array_agg(key ORDER BY key) FILTER (WHERE NOT same))[1:{shown}] AS keys
FROM met
"""
PUT = """
WITH put AS (
    INSERT INTO {table} AS l ({columns}) OVERRIDING SYSTEM VALUE
    SELECT {columns} FROM pg_temp.muses_arrived
    RETURNING {columns}
)
SELECT count(*) AS same FROM put AS l JOIN pg_temp.muses_arrived AS a ON {same_key}
WHERE ROW({arrived})::record *= ROW({live})::record
"""
COUNT = "SELECT count(*) AS rows FROM pg_temp.muses_arrived"


def filled(template: str, table: tuple[str, str], columns: Mapping[str, str], key: Iterable[str]) -> sql.Composed:
    """A statement with its names: ``columns`` are those of the batch that the table takes, with the table's types.

    The types have no length and no precision: a value is cast to compare it, and must not be cut by that.
    """
    from psycopg import sql

    def listed(words: str) -> sql.Composed:
        parts = (sql.SQL(words).format(c=sql.Identifier(c), type=sql.SQL(columns[c])) for c in columns)
        return sql.SQL(", ").join(parts)

    def keys(words: str, between: str) -> sql.Composed:
        return sql.SQL(between).join(sql.SQL(words).format(c=sql.Identifier(c)) for c in key)

    return sql.SQL(template).format(
        table=sql.Identifier(*table),
        digest=sql.Identifier(_DIGEST),
        shown=sql.Literal(SHOWN),
        columns=listed("{c}"),
        arrived=listed("a.{c}::{type}"),
        live=listed("l.{c}"),
        key=keys("a.{c}", ", "),
        own_key=keys("{c}", ", "),
        same_key=keys("a.{c} = l.{c}", " AND "),
    )


def temporary(name: str, columns: Iterable[Column]) -> sql.Composed:
    """Create a temporary table of rows and their digests, which ends with the transaction."""
    from psycopg import sql

    fields = _fields([(_DIGEST, "bytea"), *((column.name, column.type) for column in columns)])
    return sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(sql.Identifier(name), fields)


def side_table(name: tuple[str, str], columns: Mapping[str, str]) -> sql.Composed:
    """Create a table of columns that may all be NULL, and nothing else."""
    from psycopg import sql

    return sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(*name), _fields(columns.items()))


def unique(name: str, key: Iterable[str]) -> sql.Composed:
    """Index a temporary table by the key."""
    from psycopg import sql

    names = sql.SQL(", ").join(map(sql.Identifier, key))
    return sql.SQL("CREATE UNIQUE INDEX ON pg_temp.{} ({})").format(sql.Identifier(name), names)


def arriving(columns: Iterable[str]) -> sql.Composed:
    """Copy a batch in."""
    from psycopg import sql

    names = sql.SQL(", ").join(map(sql.Identifier, (_DIGEST, *columns)))
    return sql.SQL("COPY pg_temp.{} ({}) FROM STDIN").format(sql.Identifier(ARRIVED), names)


def emptied(name: str) -> sql.Composed:
    """Make room for the next batch."""
    from psycopg import sql

    return sql.SQL("TRUNCATE pg_temp.{}").format(sql.Identifier(name))


def gone(name: str) -> sql.Composed:
    """Let go of a temporary table, if there is one."""
    from psycopg import sql

    return sql.SQL("DROP TABLE IF EXISTS pg_temp.{}").format(sql.Identifier(name))


def _fields(columns: Iterable[tuple[str, str]]) -> sql.Composed:
    """Columns of a CREATE TABLE; each ends its line, so that nothing in a type reaches beyond it."""
    from psycopg import sql

    return sql.SQL(", ").join(sql.SQL("{} {}\n").format(sql.Identifier(name), sql.SQL(type)) for name, type in columns)
