"""What the purge remembers, in the target database: runs, tables and batches, fenced by an epoch.

Whoever takes a run over raises the epoch. Every later transaction of a batch first locks the batch's row *with the
epoch it knows*; who was left behind by a lost connection finds none and stops. See ``ledger.sql`` for the tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

import msgspec

from procedures.purge.ledger_structs import Batch, Fenced, Run, Standing
from procedures.purge.selection import Rules
from procedures.purge.tables import Table
from runbook.errors import LockError
from runbook.learnt import learnt
from runbook.targets.s3.archives import Manifest
from runbook.text import Text, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import sql

    from runbook.targets.postgres.working import Connection

_TABLES = Path(__file__).with_name("ledger.sql")
#: The advisory lock's two numbers: ours, and the purge's ("MUSE", 1).
LOCK = (0x4D555345, 1)


@dataclass(frozen=True)
class Ledger:
    """The ledger in one database; every method is one statement, in the transaction that the connection is in."""

    connection: Connection
    schema: str

    def found(self, reader: str) -> None:
        """Make the ledger's tables; the reader may read them. Needs CREATE on the database, once."""
        from psycopg import sql

        words = sql.SQL(_statements())
        self.connection.execute(words.format(schema=sql.Identifier(self.schema), reader=sql.Identifier(reader)))

    def exists(self) -> bool:
        """Whether any purge ever ran here."""
        row = self.connection.execute(
            "SELECT to_regclass(format('%%I.purge_run', %s::text)) IS NOT NULL AS there", [self.schema]
        ).fetchone()
        return bool(row and row["there"])

    def hold(self) -> None:
        """Take the purge's advisory lock for as long as the session lasts. Raises LockError when it is taken."""
        row = self.connection.execute("SELECT pg_try_advisory_lock(%s, %s) AS taken", list(LOCK)).fetchone()
        if not (row and row["taken"]):
            raise LockError(text("Another purge works on this database: wait for it or stop it"))

    def unfinished(self) -> Run | None:
        """The run that did not come to its end; there is at most one."""
        return self._run("state = 'RUNNING' ORDER BY started_at DESC LIMIT 1")

    def last_done(self) -> dict[str, int]:
        """How many rows the last finished run deleted, by table, dropped partitions as theirs; empty when none did."""
        rows = self._rows(
            "SELECT coalesce(t.parent, t.name) AS name, sum(b.deleted)::bigint AS deleted "
            "FROM {batches} AS b JOIN {tables} AS t USING (run, name) "
            "WHERE run = (SELECT id FROM {runs} WHERE state = 'DONE' ORDER BY finished_at DESC LIMIT 1) GROUP BY 1"
        )
        return {row["name"]: row["deleted"] for row in rows}

    def last_rate(self) -> float | None:
        """Rows a second that the last finished run deleted; None where none did."""
        rows = self._rows(
            "SELECT sum(b.deleted) / extract(epoch FROM r.finished_at - r.started_at) AS rate "
            "FROM {runs} AS r JOIN {batches} AS b ON b.run = r.id "
            "WHERE r.state = 'DONE' AND r.finished_at > r.started_at GROUP BY r.id "
            "HAVING sum(b.deleted) > 0 ORDER BY r.finished_at DESC LIMIT 1"
        )
        return float(rows[0]["rate"]) if rows else None

    def begin(self, run: str, rules: Rules) -> Run:
        """A new run with its rules, the cutoffs among them."""
        self._rows(
            "INSERT INTO {runs} (id, rules) VALUES (%(run)s, %(rules)s::jsonb)", run=run, rules=_json(rules), empty=True
        )
        return Run(id=run, epoch=1, state="RUNNING", rules=rules)

    def take_over(self, run: str) -> Run:
        """Raise the run's epoch, and its unfinished batches': waits for their transactions in flight to end.

        However long they take: one that waits for a lock itself would else outlast this one's patience, and go on.
        """
        self._rows("SET LOCAL lock_timeout = 0", empty=True)
        self._rows("UPDATE {runs} SET epoch = epoch + 1 WHERE id = %(run)s", run=run, empty=True)
        self._rows(
            "UPDATE {batches} AS b SET epoch = r.epoch FROM {runs} AS r "
            "WHERE r.id = b.run AND r.id = %(run)s AND b.state <> 'DONE'",
            run=run,
            empty=True,
        )
        taken = self._run("id = %(run)s", run=run)
        if taken is None:
            raise LockError(text("The run {run} is gone from the ledger", run=run))
        return taken

    def plan(self, run: Run, table: Table, expected: int, ranges: Sequence[tuple[int, int]]) -> None:
        """Write a table's batches down; they are PLANNED from the commit on."""
        self._rows(
            "INSERT INTO {tables} (run, name, kind, state, expected) VALUES (%(run)s, %(name)s, %(kind)s, 'PLANNED', "
            "%(expected)s)",
            run=run.id,
            name=table.name,
            kind=table.kind,
            expected=expected,
            empty=True,
        )
        self._rows(
            "INSERT INTO {batches} (run, name, number, epoch, first_block, end_block) "
            "SELECT %(run)s, %(name)s, n, %(epoch)s, f, e "
            "FROM unnest(%(first)s::bigint[], %(end)s::bigint[]) WITH ORDINALITY AS x(f, e, n)",
            run=run.id,
            name=table.name,
            epoch=run.epoch,
            first=[first for first, _ in ranges],
            end=[end for _, end in ranges],
            empty=True,
        )

    def refuse(self, run: Run, table: Table, reasons: Iterable[Text]) -> None:
        """Write down why a table is left out."""
        self._rows(
            "INSERT INTO {tables} (run, name, kind, state, refused) VALUES (%(run)s, %(name)s, %(kind)s, 'REFUSED', "
            "%(why)s::jsonb) ON CONFLICT (run, name) DO UPDATE SET state = 'REFUSED', refused = excluded.refused",
            run=run.id,
            name=table.name,
            kind=table.kind,
            why=_json(tuple(reasons)),
            empty=True,
        )

    def mark(self, run: Run, name: str, state: str, *, parent: str | None = None, bounds: str | None = None) -> None:
        """Set a table's state; a detached partition's parent and bounds with it."""
        self._rows(
            "UPDATE {tables} SET state = %(state)s, parent = coalesce(%(parent)s, parent), "
            "bounds = coalesce(%(bounds)s, bounds) WHERE run = %(run)s AND name = %(name)s",
            run=run.id,
            name=name,
            state=state,
            parent=parent,
            bounds=bounds,
            empty=True,
        )

    def batches(self, run: Run, name: str) -> tuple[Batch, ...]:
        """All batches of a table, in order."""
        rows = self._rows(
            "SELECT * FROM {batches} WHERE run = %(run)s AND name = %(name)s ORDER BY number", run=run.id, name=name
        )
        return tuple(_batch(row) for row in rows)

    def locked(self, batch: Batch) -> Batch:
        """The batch as it is now, its row locked until the transaction ends. Raises Fenced."""
        rows = self._rows(
            "SELECT * FROM {batches} WHERE run = %(run)s AND name = %(name)s AND number = %(number)s "
            "AND epoch = %(epoch)s FOR UPDATE",
            **_identity(batch),
        )
        if not rows:
            raise Fenced(text("The run was taken over by another one: this one stops"))
        return _batch(rows[0])

    def verified(self, batch: Batch, key: str, manifest: Manifest) -> None:
        """The batch is in the archive and was read back."""
        self._rows(
            "UPDATE {batches} SET state = 'VERIFIED', manifest_key = %(key)s, manifest = %(manifest)s::jsonb, "
            "waiting = NULL, updated_at = clock_timestamp() "
            "WHERE run = %(run)s AND name = %(name)s AND number = %(number)s AND state = 'PLANNED'",
            **_identity(batch),
            key=key,
            manifest=_json(manifest),
            empty=True,
        )

    def unproven(self, batch: Batch) -> None:
        """What was archived of the batch is gone or damaged, and none of its rows was deleted: it is planned again."""
        self._rows(
            "UPDATE {batches} SET state = 'PLANNED', manifest_key = NULL, manifest = NULL "
            "WHERE run = %(run)s AND name = %(name)s AND number = %(number)s AND position = 0",
            **_identity(batch),
            empty=True,
        )

    def progressed(self, batch: Batch, position: int, deleted: int, changed: int) -> None:
        """A chunk of the delete, in the transaction that deletes it."""
        self._rows(
            "UPDATE {batches} SET position = %(position)s, deleted = deleted + %(deleted)s, "
            "changed = changed + %(changed)s, waiting = NULL, updated_at = clock_timestamp() "
            "WHERE run = %(run)s AND name = %(name)s AND number = %(number)s",
            **_identity(batch),
            position=position,
            deleted=deleted,
            changed=changed,
            empty=True,
        )

    def done(self, batch: Batch) -> None:
        """All chunks of the batch are done, or it had no rows."""
        self._rows(
            "UPDATE {batches} SET state = 'DONE', waiting = NULL, updated_at = clock_timestamp() "
            "WHERE run = %(run)s AND name = %(name)s AND number = %(number)s",
            **_identity(batch),
            empty=True,
        )

    def waits(self, batch: Batch, why: Text | None) -> None:
        """Say why the batch waits. Raises Fenced where it is not ours any more."""
        touched = self.connection.execute(
            self._filled(
                "UPDATE {batches} SET waiting = %(why)s::jsonb "
                "WHERE run = %(run)s AND name = %(name)s AND number = %(number)s AND epoch = %(epoch)s"
            ),
            {**_identity(batch), "why": None if why is None else _json(why)},
        ).rowcount
        if touched != 1:
            raise Fenced(text("The run was taken over by another one: this one stops"))

    def finish(self, run: Run) -> None:
        """The run came to its end."""
        self._rows(
            "UPDATE {runs} SET state = 'DONE', finished_at = clock_timestamp() "
            "WHERE id = %(run)s AND epoch = %(epoch)s",
            run=run.id,
            epoch=run.epoch,
            empty=True,
        )

    def standing(self, run: str) -> tuple[Standing, ...]:
        """How far every table of a run has come."""
        rows = self._rows(
            """
            SELECT t.name, t.kind, t.state, t.expected, t.refused, t.parent, t.bounds,
                count(b.number) AS batches,
                count(b.number) FILTER (WHERE b.state = 'DONE') AS done,
                coalesce(sum((b.manifest->'content'->>'rows')::bigint), 0)::bigint AS archived,
                coalesce(sum((b.manifest->'object'->>'bytes')::bigint), 0)::bigint AS archived_bytes,
                coalesce(sum(b.deleted), 0)::bigint AS deleted,
                coalesce(sum(b.changed), 0)::bigint AS changed,
                (array_agg(b.waiting) FILTER (WHERE b.waiting IS NOT NULL))[1] AS waiting
            FROM {tables} AS t LEFT JOIN {batches} AS b ON b.run = t.run AND b.name = t.name
            WHERE t.run = %(run)s GROUP BY t.run, t.name ORDER BY t.name
            """,
            run=run,
        )
        return tuple(msgspec.convert(row, learnt(Standing)) for row in rows)

    def _run(self, condition: LiteralString, **given: Any) -> Run | None:
        rows = self._rows("SELECT id, epoch, state, rules FROM {runs} WHERE " + condition, **given)
        return msgspec.convert(rows[0], learnt(Run)) if rows else None

    def _rows(self, words: LiteralString, *, empty: bool = False, **given: Any) -> list[dict[str, Any]]:
        cursor = self.connection.execute(self._filled(words), given)
        return [] if empty else cursor.fetchall()

    def _filled(self, words: LiteralString) -> sql.Composed:
        from psycopg import sql

        names = {"runs": "purge_run", "tables": "purge_table", "batches": "purge_batch"}
        schema = self.schema.replace("%", "%%")  # statements with arguments; a name is no place for one
        return sql.SQL(words).format(**{field: sql.Identifier(schema, name) for field, name in names.items()})


def _statements() -> LiteralString:
    return _TABLES.read_text(encoding="utf-8")


def _identity(batch: Batch) -> dict[str, Any]:
    return {"run": batch.run, "name": batch.name, "number": batch.number, "epoch": batch.epoch}


def _batch(row: dict[str, Any]) -> Batch:
    return msgspec.convert({name: row[name] for name in Batch.__struct_fields__}, learnt(Batch), strict=False)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
