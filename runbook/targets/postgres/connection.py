"""The reader's few connections, and the operator's one: every statement of ours ends in time.

Three limits stand behind each other, because each alone fails: the server's ``statement_timeout`` (useless when the
server is frozen), the end of the socket by our own clock (useless when the engine is), the engine's deadline.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from runbook.errors import ProbeError
from runbook.learnt import learnt
from runbook.targets.postgres.access import Access, Identity, statement
from runbook.targets.postgres.failures import login_failed, out_of_time, query_failed, silent

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

    Connection = psycopg.Connection[dict[str, Any]]
    Cursor = psycopg.Cursor[dict[str, Any]]

T = TypeVar("T")

#: For a whole probe: just below its deadline, so that the driver gives up before the engine does.
ANSWER_SECONDS = 4.5
#: The server ends a statement this much before we end the connection.
GRACE_SECONDS = 0.4
#: Connections of the reader at the same time: rows ask many things at once, the database is not ours to fill.
MOST_READERS = 4


class Line:
    """One connection in the hands of one probe or operation, which must end in time."""

    def __init__(self, access: Access, connection: Connection, ends_at: float) -> None:
        self.access, self.connection, self._ends_at = access, connection, ends_at
        self._whole = ends_at - time.monotonic()
        self._allow(self._whole)

    def rows(self, query: sql.SQL | sql.Composed, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """All rows of one statement. Raises psycopg.Error, which the context around maps; ProbeError(SLOW)."""
        return self._run(query, parameters).fetchall()

    def row(self, query: sql.SQL | sql.Composed, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The only row of one statement."""
        (found,) = self.rows(query, parameters)
        return found

    def structs(
        self, kind: type[T], query: sql.SQL | sql.Composed, parameters: Mapping[str, Any] | None = None
    ) -> tuple[T, ...]:
        """The rows as structs whose fields are the columns."""
        return structs(kind, self.rows(query, parameters))

    def together(self, *parts: tuple[str, Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
        """The rows of each of several statements of ``sql/``, by name and values, in one round trip.

        They stand or fall together, and each has the whole time to itself. Raises as :meth:`rows` does.
        """
        from psycopg import ClientCursor

        self._in_time()
        cursor = ClientCursor(self.connection)
        cursor.execute(b"".join(cursor.mogrify(statement(name), values).encode() + b";\n" for name, values in parts))
        found = [cursor.fetchall()]
        while cursor.nextset():
            found.append(cursor.fetchall())
        return found

    def execute(self, query: sql.SQL | sql.Composed, parameters: Mapping[str, Any] | None = None) -> int:
        """Run a statement for its effect on this session only; gives the number of rows it touched."""
        return self._run(query, parameters).rowcount

    def _run(self, query: sql.SQL | sql.Composed, parameters: Mapping[str, Any] | None) -> Cursor:
        self._in_time()
        if parameters is None:
            return self.connection.execute(query)
        return self.connection.execute(_percents_doubled(query, self.connection), parameters)

    def _in_time(self) -> None:
        """Give the next statement what is left. Raises ProbeError(SLOW) where nothing is."""
        left = self._ends_at - time.monotonic()
        if left <= GRACE_SECONDS:
            raise out_of_time(self.access)
        if left < self._whole - GRACE_SECONDS:
            self._allow(left)

    def _allow(self, seconds: float) -> None:
        """Let the server end a statement before we would end the connection: then we know that it is not frozen."""
        milliseconds = max(int((seconds - GRACE_SECONDS) * 1000), 1)
        self.connection.execute("SELECT set_config('statement_timeout', %s, false)", [str(milliseconds)])


def structs(kind: type[T], rows: Iterable[dict[str, Any]]) -> tuple[T, ...]:
    """Rows as structs whose fields are the columns."""
    return tuple(msgspec.convert(row, learnt(kind)) for row in rows)


class Readers:
    """The reader's connections: opened when needed, kept on a small stack, closed with the target."""

    def __init__(self, access: Access, most: int = MOST_READERS) -> None:
        self._access = access
        self._idle: list[Connection] = []
        self._places = threading.BoundedSemaphore(most)
        self._closed = False

    @contextmanager
    def reader(self, seconds: float = ANSWER_SECONDS) -> Iterator[Line]:
        """A connection for one probe that must be done in ``seconds``. Raises ProbeError for all that goes wrong."""
        ends_at = time.monotonic() + seconds
        if not self._places.acquire(timeout=seconds):
            raise out_of_time(self._access)
        try:
            connection = self._kept() or opened(self._access, "reader")
            with mapped(self._access, connection, ends_at), self._returned(connection):
                yield Line(self._access, connection, ends_at)
        finally:
            self._places.release()

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> Connection | None:
        """An idle connection that the server has not left in the meantime."""
        while self._idle:
            connection = self._idle.pop()
            if not _readable(connection):
                return connection
            connection.close()
        return None

    @contextmanager
    def _returned(self, connection: Connection) -> Iterator[None]:
        try:
            yield
        finally:
            if _is_clean(connection) and not self._closed:
                self._idle.append(connection)
            else:
                connection.close()


@contextmanager
def mapped(access: Access, connection: Connection, ends_at: float) -> Iterator[None]:
    """Map the driver's errors, and end the socket at ``ends_at`` on the monotonic clock if the server is frozen."""
    import psycopg

    started = time.monotonic()
    with _CutOff(connection, ends_at) as cut:
        try:
            yield
        except psycopg.Error as error:
            if cut.happened:
                raise silent(access, time.monotonic() - started) from error
            raise query_failed(access, error) from error


def opened(access: Access, identity: Identity) -> Connection:
    """A new connection in autocommit. Raises ProbeError."""
    import psycopg
    from psycopg.rows import dict_row

    parameters = access.parameters(identity)
    try:
        return psycopg.connect(**parameters, autocommit=True, prepare_threshold=None, row_factory=dict_row)
    except psycopg.Error as error:
        failed: ProbeError = login_failed(access, identity, error)
        raise failed from error


class _CutOff:
    """Shuts a connection's socket down at a moment: a frozen server keeps to none of its own time limits."""

    def __init__(self, connection: Connection, ends_at: float) -> None:
        self.happened = False
        self._socket = socket.socket(fileno=os.dup(connection.fileno()))
        self._timer = threading.Timer(max(ends_at - time.monotonic(), 0.0), self._cut)
        self._timer.daemon = True

    def __enter__(self) -> _CutOff:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._socket.close()

    def _cut(self) -> None:
        self.happened = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def _percents_doubled(part: sql.Composable, connection: Connection) -> sql.SQL | sql.Composed:
    """The same words with each ``%`` of a name doubled: the driver looks for its placeholders inside names too."""
    from psycopg import sql

    if isinstance(part, sql.Composed):
        return sql.Composed([_percents_doubled(inner, connection) for inner in part])
    words = part.as_string(connection)
    return sql.SQL(words if isinstance(part, sql.SQL | sql.Placeholder) else words.replace("%", "%%"))


def _readable(connection: Connection) -> bool:
    """Whether an idle connection has something to say: unasked, a server only says goodbye."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _is_clean(connection: Connection) -> bool:
    from psycopg.pq import TransactionStatus

    return not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE
