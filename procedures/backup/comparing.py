"""What a restored database holds, against what the backup's manifest says of the snapshot."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from procedures.backup import dumping
from runbook.targets.s3.backups import Manifest

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection

#: In the place of a count: the table is not there, or not in the manifest.
ABSENT = -1
#: By this name a difference in the number of large objects is told.
LARGE_OBJECTS = "pg_catalog.pg_largeobject_metadata"

#: Expected and found, by ``schema.table``.
Differing = dict[str, tuple[int, int]]

_INDEXES = """
SELECT c.oid
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS a ON a.oid = c.relam
WHERE a.amname = 'btree' AND c.relkind = 'i' AND i.indisready AND i.indisvalid
ORDER BY c.oid
"""
#: In whatever schema it is: a dump may have brought it.
_CHECK = "SELECT {}.bt_index_check(%s::oid::regclass, true)"


def differing(connection: Connection, manifest: Manifest, restored: Collection[str] | None) -> Differing:
    """Tables whose rows are not as many as in the snapshot; ``restored`` names those with rows, None for all.

    Every table must be there, and none that was not in the snapshot. One scan of each.
    """
    found = dumping.counted(connection, "")
    told: Differing = {}
    for table in sorted({*manifest.tables, *found.tables} if manifest.tables else ()):
        expected, there = manifest.tables.get(table, ABSENT), found.tables.get(table, ABSENT)
        compared = restored is None or table in restored or ABSENT in (expected, there)
        if compared and expected != there:
            told[table] = (expected, there)
    if restored is None and manifest.large_objects != found.large_objects:
        told[LARGE_OBJECTS] = (manifest.large_objects, found.large_objects)
    return told


def amcheck(connection: Connection) -> str:
    """``passed`` or ``failed`` for every B-tree against its table, ``not available`` where the extension is missing.

    Raises the driver's errors, which the session around maps, for all but a finding of the check.
    """
    from psycopg import errors, sql

    if not connection.execute("SELECT FROM pg_available_extensions WHERE name = 'amcheck'").rowcount:
        return "not available"
    connection.execute("CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA pg_catalog")
    (place,) = connection.execute(
        "SELECT extnamespace::regnamespace::text AS schema FROM pg_extension WHERE extname = 'amcheck'"
    ).fetchall()
    check = sql.SQL(_CHECK).format(sql.SQL(place["schema"]))
    try:
        for row in connection.execute(_INDEXES).fetchall():
            connection.execute(check, [row["oid"]])
    except (errors.IndexCorrupted, errors.DataCorrupted):
        return "failed"
    return "passed"
