"""Delete exactly the row versions that came back from the archive, a chunk a transaction, its progress within it.

The list is the downloaded lines, parsed by the server itself into a temporary table. A row goes when its key and
``xmin`` are those of the list, its image is bit for bit the archived one, and it still qualifies; ``ctid`` only finds
it. What does not match stays, is counted as changed, and is archived again by the next run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from procedures.purge import milestones
from procedures.purge.archiving import Proven
from procedures.purge.ledger import Batch, Fenced, Ledger
from procedures.purge.selection import Rules, joined, qualifies
from procedures.purge.tables import Table
from procedures.purge.throttling import Throttle
from runbook.settings import ArchiveSettings
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.working import Busy, as_action_errors
from runbook.text import text

if TYPE_CHECKING:
    from psycopg import sql

#: How long a chunk's transaction shall hold its locks, seconds; the chunk's size follows. The promise is 0.25.
_AIM = 0.1
_FIRST, _FEWEST = 1_000, 100
#: How often a chunk is tried while others hold what it needs, each time after up to two seconds of waiting.
_TRIES = 30
_LIST, _LIST_MOST = "muses_runbook_list", 5_000


class Deleter:
    """Deletes the batches of one table, over one connection."""

    def __init__(self, ledger: Ledger, access: Access, archive: ArchiveSettings, rules: Rules, table: Table) -> None:
        self._connection, self._access, self._ledger = ledger.connection, access, ledger
        self._archive, self._rules, self._table = archive, rules, table
        self._by_place, self._by_key = self._delete(by_place=True), self._delete(by_place=False)
        self._make_list()

    def delete(self, batch: Batch, proven: Proven, throttle: Throttle, most: int) -> None:
        """Delete what is left of the batch, from the position that the ledger knows. Raises Fenced, ActionError."""
        size, position = min(most, _FIRST), batch.position
        for lines in _behind(proven.chunks(self._archive, most), batch.position):
            at = 0
            while at < len(lines):
                throttle.wait(batch)
                chunk = lines[at : at + size]
                held = self._tried(batch, position, chunk)
                at, position = at + len(chunk), position + len(chunk)
                size = _next_size(size, held, most)

    def count(self, proven: Proven) -> int:
        """How many rows of the table are just as the archive has them. Within the caller's transaction; reads only."""
        same = 0
        for lines in proven.chunks(self._archive, _LIST_MOST):
            self._connection.execute("TRUNCATE pg_temp.muses_runbook_list")
            self._load(lines)
            same += int(self._connection.execute(self._matched()).fetchall()[0]["rows"])
        return same

    def _tried(self, batch: Batch, position: int, lines: list[bytes]) -> float:
        """One chunk, again while others are in its way; gives the seconds for which it held locks."""
        for last in [*[False] * (_TRIES - 1), True]:
            try:
                with as_action_errors(self._access, "purge"):
                    return self._chunk(batch, position, lines)
            except Busy:
                if last:
                    raise
        raise AssertionError("a try returns or raises")

    def _chunk(self, batch: Batch, position: int, lines: list[bytes]) -> float:
        milestones.reached("chunk begun")
        with self._connection.transaction():
            if self._ledger.locked(batch).position != position:
                raise Fenced(text("Somebody else works on the same batch: this one stops"))
            self._load(lines)
            milestones.reached("list loaded")
            started = time.monotonic()
            deleted = self._connection.execute(self._by_place).rowcount
            if deleted < len(lines):
                deleted += self._connection.execute(self._by_key).rowcount
            self._ledger.progressed(batch, position + len(lines), deleted, len(lines) - deleted)
            milestones.reached("rows deleted, before commit")
        milestones.reached("chunk committed")
        return time.monotonic() - started

    def _load(self, lines: list[bytes]) -> None:
        from psycopg import sql

        query = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier("pg_temp", _LIST))
        with self._connection.cursor().copy(query) as copy:
            copy.write(b"\n".join([*lines, b""]))

    def _make_list(self) -> None:
        """The list's table: the table's columns, and before them where and which version a row was."""
        from psycopg import sql

        columns = [sql.Identifier(name) for name in self._table.names]
        self._connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier("pg_temp", _LIST)))
        self._connection.execute(
            sql.SQL(
                "CREATE TEMP TABLE {list} ON COMMIT DELETE ROWS AS "
                "SELECT ctid AS found_at, xmin AS version, {columns} FROM ONLY {table} WITH NO DATA"
            ).format(list=sql.Identifier(_LIST), columns=sql.SQL(", ").join(columns), table=self._name())
        )
        for method in ("hashjoin", "mergejoin"):  # rows are looked up one by one, whatever is guessed
            self._connection.execute("SELECT set_config(%s, 'off', false)", [f"enable_{method}"])

    def _delete(self, *, by_place: bool) -> sql.Composed:
        from psycopg import sql

        place = sql.SQL("doomed.ctid = staged.found_at AND ") if by_place else sql.SQL("")
        # What a row belongs to is looked up first, for the whole list: the planner must never scan our table for it.
        return sql.SQL(
            "WITH going AS {materialized} (SELECT staged.* FROM {list} AS staged{joined} WHERE {qualifies}) "
            "DELETE FROM ONLY {table} AS doomed USING going AS staged WHERE {place}{match}{childless}"
        ).format(
            materialized=sql.SQL("NOT MATERIALIZED" if self._table.kind == "records" else "MATERIALIZED"),
            table=self._name(),
            list=sql.Identifier("pg_temp", _LIST),
            joined=joined(self._table, self._rules),
            place=place,
            match=matching(self._table),
            qualifies=qualifies(self._table, self._rules),
            childless=self._childless(),
        )

    def _matched(self) -> sql.Composed:
        from psycopg import sql

        return sql.SQL(
            "SELECT count(*) AS rows FROM ONLY {table} AS doomed JOIN {list} AS staged "
            "ON doomed.ctid = staged.found_at AND {match}"
        ).format(table=self._name(), list=sql.Identifier("pg_temp", _LIST), match=matching(self._table))

    def _childless(self) -> sql.Composable:
        """No row points at it: a child that was not archived keeps its parent."""
        from psycopg import sql

        parts = [
            sql.SQL(" AND NOT EXISTS (SELECT FROM {child} AS child WHERE {columns})").format(
                child=sql.Identifier(key.schema, key.table),
                columns=sql.SQL(" AND ").join(
                    sql.SQL("{} = {}").format(sql.Identifier("child", column), sql.Identifier("doomed", referenced))
                    for column, referenced in zip(key.columns, key.referenced, strict=True)
                ),
            )
            for key in self._table.inbound
        ]
        return sql.SQL("").join(parts)

    def _name(self) -> sql.Identifier:
        from psycopg import sql

        return sql.Identifier(self._table.schema, self._table.name)


def _behind(chunks: Iterator[list[bytes]], count: int) -> Iterator[list[bytes]]:
    """The lines behind the first ``count``, which an earlier process went through."""
    for chunk in chunks:
        skipped = min(count, len(chunk))
        count -= skipped
        if skipped < len(chunk):
            yield chunk[skipped:]


def _next_size(size: int, held: float, most: int) -> int:
    """Larger or smaller, so that the next chunk holds its locks for about the time aimed at."""
    return max(_FEWEST, min(most, int(size * min(2.0, _AIM / max(held, 0.001)))))


def matching(table: Table) -> sql.Composed:
    """Whether ``doomed`` is the very version of the row that ``staged`` holds: key, ``xmin``, and the whole image."""
    from psycopg import sql

    keys = [
        sql.SQL("{} = {}").format(sql.Identifier("doomed", name), sql.Identifier("staged", name)) for name in table.key
    ]

    def image(alias: str) -> sql.Composed:
        return sql.SQL("ROW({})::record").format(sql.SQL(", ").join(sql.Identifier(alias, n) for n in table.names))

    version = sql.SQL("doomed.xmin = staged.version")
    same = sql.SQL("{} *= {}").format(image("doomed"), image("staged"))
    return sql.SQL(" AND ").join([*keys, version, same])
