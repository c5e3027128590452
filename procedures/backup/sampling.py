"""Rows of a restored database against the same rows of the living one, as far as nobody changed them since.

Counts do not see a value that is wrong; and a dump without compression has no checksum of its own. A row whose version
is older than all that ran when the snapshot was taken must be, to the byte, what was dumped.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from procedures.backup.choosing import Chosen
from procedures.backup.comparing import Differing
from runbook.errors import ActionError
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.working import Lost, as_action_errors, working
from runbook.targets.s3.backups import Manifest
from runbook.text import Text, text

if TYPE_CHECKING:
    from psycopg import sql

    from runbook.targets.postgres.working import Connection

#: Tables, chosen by chance each time, and rows of each.
TABLES, ROWS = 20, 1_000
_OPERATION = "restore-test"
_EPOCH, _HALF, _FIRST_NORMAL = 1 << 32, 1 << 31, 3


class Sampled(NamedTuple):
    """``rows`` were compared; ``differing`` gives, by table, how many were compared and how many were the same."""

    rows: int
    differing: Differing
    notes: tuple[Text, ...]


class Table(NamedTuple):
    """A table with a primary key: its columns are how it is compared, so both databases must have the same."""

    schema: str
    name: str
    key: tuple[str, ...]
    types: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def said(self) -> str:
        """As manifests name it."""
        return f"{self.schema}.{self.name}"


_TABLES = """
SELECT n.nspname AS schema, c.relname AS name,
    array(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k(number, place)
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.number ORDER BY k.place) AS key,
    array(SELECT format_type(a.atttypid, a.atttypmod) FROM unnest(i.indkey) WITH ORDINALITY AS k(number, place)
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.number ORDER BY k.place) AS types,
    array(SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
"""
_DIGEST = "encode(sha256(convert_to(ROW(t.*)::text, 'UTF8')), 'hex')"
#: What a value's text depends on beside the pinned settings.
_PINNED = "SET lc_monetary = 'C'"
#: The living database is asked by key, whatever the planner thinks of it.
_BY_KEY = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"


def sampled(restored: Connection, live: Access, backup: Chosen, rows: dict[str, int]) -> Sampled:
    """Compare up to 1,000 rows of each of up to 20 tables of ``rows``. Never raises for the living database."""
    if not backup.manifest.snapshot:
        said = text("The backup does not say its snapshot: its rows are not compared with the database's")
        return Sampled(0, {}, (said,))
    try:
        with working(live, _OPERATION, "reader") as connection:
            if not _is_of(connection, backup.manifest):
                said = text("The database is another than the one that was dumped: its rows are not compared")
                return Sampled(0, {}, (said,))
            return _compared(restored, connection, live, int(backup.manifest.snapshot.split(":")[0]), rows)
    except ActionError as error:
        return Sampled(0, {}, (_not_compared(error),))


def _compared(restored: Connection, live: Connection, access: Access, before: int, rows: dict[str, int]) -> Sampled:
    restored.execute(_PINNED)
    live.execute(f"{_PINNED}; {_BY_KEY}")
    (now,) = live.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next").fetchall()
    there = frozenset(_tables(live))
    wanted = [table for table in _tables(restored) if table.said in rows]
    usable = [table for table in wanted if table in there]
    compared, differing, notes = 0, Differing(), _left_out(len(wanted) - len(usable))
    for table in secrets.SystemRandom().sample(usable, min(TABLES, len(usable))):
        try:
            with as_action_errors(access, _OPERATION):
                old, same = _of_table(restored, live, table, rows[table.said], (before, now["next"]))
        except Lost:
            raise
        except ActionError as error:
            notes.append(_not_compared(error))
            continue
        compared += old
        if old != same:
            differing[table.said] = (old, same)
    return Sampled(compared, differing, tuple(notes))


def _left_out(count: int) -> list[Text]:
    """Those that the reader may not read, and those that are another table by now."""
    said = text("{count} tables could not be compared: the reader may not read them, or they were altered", count=count)
    return [said] if count else []


def _is_of(connection: Connection, manifest: Manifest) -> bool:
    query = "SELECT system_identifier::text AS system, current_database() AS name FROM pg_control_system()"
    (row,) = connection.execute(query).fetchall()
    return (row["system"], row["name"]) == (manifest.system_identifier, manifest.database)


def _tables(connection: Connection) -> Iterator[Table]:
    for row in connection.execute(_TABLES).fetchall():
        yield Table(row["schema"], row["name"], tuple(row["key"]), tuple(row["types"]), tuple(row["columns"]))


def _of_table(
    restored: Connection, live: Connection, table: Table, count: int, numbers: tuple[int, int]
) -> tuple[int, int]:
    """How many rows the living table still has as they were, and how many of them were restored the same."""
    keys, digests = _some_rows(restored, table, count)
    old = same = 0
    for row in live.execute(_by_key(table), [list(column) for column in zip(*keys, strict=True)]) if keys else ():
        restored_digest = digests.get(tuple(row["key"]))  # equal keys need not be written alike
        if restored_digest is not None and is_older(int(row["version"]), *numbers):
            old += 1
            same += row["digest"] == restored_digest
    return old, same


def _some_rows(
    restored: Connection, table: Table, count: int
) -> tuple[list[tuple[str, ...]], dict[tuple[str, ...], str]]:
    from psycopg import sql

    query = sql.SQL("SELECT {key} AS key, " + _DIGEST + " AS digest FROM ONLY {table} AS t {some} LIMIT {most}").format(
        key=_key(table),
        table=sql.Identifier(table.schema, table.name),
        some=sql.SQL("" if count <= ROWS else f"TABLESAMPLE BERNOULLI ({min(100.0, 150.0 * ROWS / count)})"),
        most=sql.Literal(ROWS),
    )
    digests = {tuple(row["key"]): row["digest"] for row in restored.execute(query).fetchall()}
    return list(digests), digests


def _by_key(table: Table) -> sql.Composed:
    """Takes a list of texts for each column of the key."""
    from psycopg import sql

    names = [sql.Identifier(f"k{number}") for number in range(len(table.key))]
    return sql.SQL(
        "SELECT {key} AS key, t.xmin::text AS version, " + _DIGEST + " AS digest FROM ONLY {table} AS t "
        "WHERE ({columns}) IN (SELECT {cast} FROM unnest({lists}) AS k({names}))"
    ).format(
        key=_key(table),
        table=sql.Identifier(table.schema, table.name),
        columns=sql.SQL(", ").join(sql.Identifier("t", column) for column in table.key),
        cast=sql.SQL(", ").join(
            sql.SQL("k.{}::{}").format(name, sql.SQL(kind)) for name, kind in zip(names, table.types, strict=True)
        ),
        lists=sql.SQL(", ").join(sql.SQL("%s::text[]") for _ in names),
        names=sql.SQL(", ").join(names),
    )


def _key(table: Table) -> sql.Composed:
    from psycopg import sql

    return sql.SQL("ARRAY[{}]").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier("t", column)) for column in table.key)
    )


def is_older(version: int, before: int, now: int) -> bool:
    """Whether a row's version was committed before the snapshot: all transactions below ``before`` had ended.

    ``version`` has 32 bits and belongs to the past of ``now``; frozen rows may keep one that looks like the future.
    """
    if version < _FIRST_NORMAL:
        return True
    full = now - now % _EPOCH + version
    if full > now + _HALF:
        full -= _EPOCH
    return full < before


def _not_compared(error: ActionError) -> Text:
    return text("Rows were not compared with the database's: {reason}", reason=str(error.said))
