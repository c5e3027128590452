"""The lock of acting runs in the database: the session's advisory lock, and a row whose epoch fences off who lost it.

The advisory lock dies with its session, at once, and blocks nobody after a crash. The epoch grows with everybody who
takes it: who comes back from a pause, or through a pooler that gave his session away, finds that it is his no more.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from runbook.errors import LockError, ProbeError, ProbeFailure
from runbook.targets.postgres.access import Access, statement
from runbook.targets.postgres.connection import ANSWER_SECONDS, Line, mapped, opened
from runbook.text import text

#: The advisory lock's two numbers: ours ("MUSE"), and the acting runs' (the purge has 1, the backup 2).
LOCK = {"ours": 0x4D555345, "acting": 3}


class DatabaseLock:
    """The lock of one run. ``schema`` is where the runbook keeps its tables; the operator makes what is missing."""

    def __init__(self, access: Access, schema: str) -> None:
        self._access, self._schema = access, schema
        self._connection: Any = None
        self._epoch = 0

    def take(self, holder: str) -> int:
        """Take it and give its epoch. Raises LockError when another run has it, ProbeError where it cannot be had."""
        self._connection = opened(self._access, "operator")
        try:
            return self._taken(holder)
        except BaseException:
            self.release()
            raise

    def prove(self) -> None:
        """Raises LockError unless the lock is ours at this moment."""
        if self._connection is None:
            raise LockError(text("The lock in the database was let go"))
        try:
            held = self._rows("acting_prove", epoch=self._epoch, **LOCK)
        except ProbeError as error:
            raise LockError(text("The lock in the database cannot be proven: {reason}", reason=error.said)) from error
        if not held:
            raise LockError(text("The lock in the database was lost: another run may have it"))

    def attempts(self, row: str, since: timedelta) -> list[dict[str, Any]]:
        """When a remedy of the row was tried by any machine (at, run, targets, outcome). Raises ProbeError."""
        return self._rows("acting_attempts", row=row, since=since)

    def note_attempt(self, row: str, run: str, targets: Collection[str]) -> None:
        """Remember, for all machines, that a remedy is about to be tried. Raises ProbeError."""
        self._run("acting_attempt", row=row, run=run, targets=sorted(targets))

    def note_outcome(self, row: str, run: str, outcome: str) -> None:
        """Remember, for all machines, what came of it. Raises ProbeError."""
        self._run("acting_outcome", row=row, run=run, outcome=outcome)

    def release(self) -> None:
        """Let it go: it is the session's. Twice is harmless."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _taken(self, holder: str) -> int:
        (found,) = self._rows("acting_try", schema=self._schema, **LOCK)
        if found["standby"]:
            standby = text("The database is a standby: it gives no lock")
            raise ProbeError(self._access.target, ProbeFailure.BLIND, standby)
        if not found["taken"]:
            by = self._rows("acting_holder") if found["table_there"] else []
            raise held_by(by[0]["holder"] if by else "?")
        if not found["schema_there"]:
            self._run("acting_schema")
            self._run("acting_reader")
        if not found["table_there"]:
            self._run("acting_table")
        if not found["attempts_there"]:
            self._run("acting_attempts_table")
        (row,) = self._rows("acting_take", holder=holder)
        self._epoch = int(row["epoch"])
        return self._epoch

    def _rows(self, name: str, **values: Any) -> list[dict[str, Any]]:
        with self._line() as line:
            return line.rows(self._statement(name), values)

    def _run(self, name: str, **values: Any) -> None:
        with self._line() as line:
            line.execute(self._statement(name), values or None)

    @contextmanager
    def _line(self) -> Iterator[Line]:
        """One exchange, which ends in time even where the server is frozen."""
        ends_at = time.monotonic() + ANSWER_SECONDS
        with mapped(self._access, self._connection, ends_at):
            yield Line(self._access, self._connection, ends_at)

    def _statement(self, name: str) -> Any:
        from psycopg import sql

        reader = sql.Identifier(self._access.settings.reader.user)
        return statement(name, schema=sql.Identifier(self._schema), reader=reader)


def held_by(holder: str) -> LockError:
    """Another run acts."""
    return LockError(text("Another acting run holds the lock ({holder}): wait for it or stop it", holder=holder))
