"""Delete exactly the row versions that came back from the archive, a chunk a transaction, its progress within it.

The list is the downloaded lines. Rows are deleted where they were found, and what the server gives out as deleted must
be those very lines: place, ``xmin`` and every column (``doomed`` has the statements). Where it is not, that is undone
and each row is asked for: it goes when its key and ``xmin`` are those of the list and every column is bit for bit the
archived one. What does not match stays, is counted as changed, and is archived again by the next run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from procedures.archive.encoding import Lines
from procedures.purge import milestones
from procedures.purge.archiving import Proven
from procedures.purge.doomed import Statements
from procedures.purge.ledger import Ledger
from procedures.purge.ledger_structs import Batch, Fenced
from procedures.purge.selection import Rules
from procedures.purge.tables import Table
from procedures.purge.throttling import Throttle
from runbook.settings import ArchiveSettings
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.copying import copied
from runbook.targets.postgres.working import Busy, Referenced, as_action_errors
from runbook.text import text

if TYPE_CHECKING:
    from psycopg import sql

#: How long a chunk's transaction shall hold its locks, seconds; the chunk's size follows. The promise is 0.25.
_AIM = 0.15
_FIRST, _FEWEST = 1_000, 100
#: How often a chunk is tried while others hold what it needs, each time after up to two seconds of waiting.
_TRIES = 30
#: Lines that are counted together.
_COUNTED = 5_000
#: What was deleted is taken in pieces of this many bytes.
_PIECE = 256 * 1024


class Chunk(NamedTuple):
    """Lines of the archive that are deleted together."""

    text: bytes
    rows: int

    @property
    def ends(self) -> tuple[str, str]:
        """Where the first and the last line's row was found."""
        last = self.text.rfind(b"\n", 0, -1) + 1
        return _place(self.text, 0), _place(self.text, last)

    @property
    def places(self) -> bytes:
        """Where each line's row was found, a line each."""
        return b"".join(line.partition(b"\t")[0] + b"\n" for line in self.text[:-1].split(b"\n"))

    def is_told_by(self, pieces: Iterator[bytes]) -> bool:
        """Whether the pieces are the text, byte for byte; takes all of them, so that the statement comes to its end."""
        at, same = 0, True
        for piece in pieces:
            same = same and self.text.startswith(piece, at)
            at += len(piece)
        return same and at == len(self.text)


def _place(text: bytes, start: int) -> str:
    return text[start : text.index(b"\t", start)].decode()


class Deleter:
    """Deletes the batches of one table, over one connection."""

    def __init__(self, ledger: Ledger, access: Access, archive: ArchiveSettings, rules: Rules, table: Table) -> None:
        self._connection, self._access, self._ledger = ledger.connection, access, ledger
        self._archive, self._table, self._say = archive, table, Statements(table, rules)
        self._alone = True  # as far as is known, nothing else lies between the rows of the batch
        self._connection.execute(self._say.drop_list)
        self._connection.execute(self._say.make_places)
        for method in ("hashjoin", "mergejoin"):  # rows are looked up one by one, whatever is guessed
            self._connection.execute("SELECT set_config(%s, 'off', false)", [f"enable_{method}"])

    def delete(self, batch: Batch, proven: Proven, throttle: Throttle, most: int, *, careful: bool) -> None:
        """Delete what is left of the batch, from the position that the ledger knows.

        ``careful``: it was archived by an earlier process, perhaps under other holds. Raises Fenced, ActionError.
        """
        if proven.manifest.columns != self._table.columns:
            return self._keep(batch, proven)
        self._alone = True
        size, position = min(most, _FIRST), batch.position
        chunks = _behind(proven.lines(self._archive), position)
        while (chunk := Chunk(*chunks.take(size))).rows:
            throttle.wait(batch)
            held = self._tried(batch, position, chunk, careful=careful)
            position += chunk.rows
            size = _next_size(size, held, most)
        return None

    def _keep(self, batch: Batch, proven: Proven) -> None:
        """The table has other columns since the batch was archived: the rows stay, and the next run archives them."""
        rows = proven.manifest.content.rows
        with self._connection.transaction():
            position = self._ledger.locked(batch).position
            self._ledger.progressed(batch, rows, 0, rows - position)

    def count(self, proven: Proven) -> int:
        """How many rows of the table are just as the archive has them, and still to go. In the caller's transaction."""
        same = 0
        if proven.manifest.columns != self._table.columns:
            return same
        lines = proven.lines(self._archive)
        while (chunk := Chunk(*lines.take(_COUNTED))).rows:
            self._load(chunk, anew=True)
            same += int(self._connection.execute(self._say.count).fetchall()[0]["rows"])
        return same

    def _tried(self, batch: Batch, position: int, chunk: Chunk, *, careful: bool) -> float:
        """One chunk, again while others are in its way; gives the seconds for which it held locks."""
        for last in [*[False] * (_TRIES - 1), True]:
            try:
                with as_action_errors(self._access, "purge"):
                    return self._chunk(batch, position, chunk, careful=careful)
            except Busy as error:
                careful = careful or isinstance(error, Referenced)
                self._alone = False  # it may have been a row that is not of the list
                if last:
                    raise
        raise AssertionError("a try returns or raises")

    def _chunk(self, batch: Batch, position: int, chunk: Chunk, *, careful: bool) -> float:
        milestones.reached("chunk begun")
        with self._connection.transaction():
            if self._ledger.locked(batch).position != position:
                raise Fenced(text("Somebody else works on the same batch: this one stops"))
            milestones.reached("chunk locked")
            started = time.monotonic()
            deleted = (
                chunk.rows if not careful and self._gone_as_archived(chunk) else self._gone(chunk, careful=careful)
            )
            self._ledger.progressed(batch, position + chunk.rows, deleted, chunk.rows - deleted)
            milestones.reached("rows deleted, before commit")
        milestones.reached("chunk committed")
        return time.monotonic() - started

    def _gone_as_archived(self, chunk: Chunk) -> bool:
        """Delete what lies where the lines were found. False, and nothing is deleted, where that is not those lines.

        A stretch is tried until others lie between: then, for the rest of the batch, place by place.
        """
        self._alone = self._alone and self._told_alike(chunk, self._set_stretch, self._say.delete_stretch)
        return self._alone or self._told_alike(chunk, self._load_places, self._say.delete_places)

    def _set_stretch(self, chunk: Chunk) -> None:
        self._connection.execute(self._say.set_stretch, chunk.ends)

    def _load_places(self, chunk: Chunk) -> None:
        self._copied_in(self._say.load_places, chunk.places)

    def _told_alike(self, chunk: Chunk, prepare: Callable[[Chunk], None], delete: sql.Composed) -> bool:
        from psycopg import Rollback

        with self._connection.transaction() as undoing:
            prepare(chunk)
            if chunk.is_told_by(copied(self._connection, delete, _PIECE)):
                return True
            raise Rollback(undoing)
        return False

    def _gone(self, chunk: Chunk, *, careful: bool) -> int:
        """Delete the rows that are still just as the lines have them, wherever they are; how many they were."""
        self._load(chunk)
        deleted = self._connection.execute(self._say.delete(by_place=True, careful=careful)).rowcount
        if deleted < chunk.rows:
            deleted += self._connection.execute(self._say.delete(by_place=False, careful=careful)).rowcount
        return deleted

    def _load(self, chunk: Chunk, *, anew: bool = False) -> None:
        self._connection.execute(self._say.make_list)
        if anew:
            self._connection.execute(self._say.clear)
        self._copied_in(self._say.load, chunk.text)

    def _copied_in(self, query: sql.Composed, lines: bytes) -> None:
        with self._connection.cursor().copy(query) as copy:
            copy.write(lines)


def _behind(lines: Lines, count: int) -> Lines:
    """The lines behind the first ``count``, which an earlier process went through."""
    while count > 0:
        _, skipped = lines.take(min(count, _COUNTED))
        count = count - skipped if skipped else 0
    return lines


def _next_size(size: int, held: float, most: int) -> int:
    """Larger or smaller, so that the next chunk holds its locks for about the time aimed at."""
    return min(most, max(_FEWEST, int(size * min(2.0, _AIM / max(held, 0.001)))))
