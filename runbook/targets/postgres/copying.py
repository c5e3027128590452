"""``COPY … TO STDOUT`` by the piece: the driver's own way wakes Python up for every single row."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn, PGresult


def copied(connection: psycopg.Connection[Any], query: sql.Composed, least: int) -> Generator[bytes, None, None]:
    """The text of the rows in pieces of whole rows, each of at least ``least`` bytes but the last one.

    Raises psycopg.Error, as the server said it. A reader that stops early cancels the statement.
    """
    with connection.cursor().copy(query):
        more = True
        while more:
            piece, more = connection.wait(_piece(connection.pgconn, least))
            if piece:
                yield piece


def _piece(server: PGconn, least: int) -> PQGen[tuple[bytes, bool]]:
    """What is there of the rows, waited for up to ``least`` bytes, and whether there may be more."""
    piece = bytearray()
    while len(piece) < least:
        count, row = server.get_copy_data(1)
        if count > 0:
            piece += row
        elif count == 0:
            yield from _arrival(server)
        else:
            yield from _end(server)
            return bytes(piece), False
    return bytes(piece), True


def _end(server: PGconn) -> PQGen[None]:
    """Take all that the server still has to say. Raises psycopg.Error where that is not that all went well."""
    from psycopg import errors, pq

    failed = None
    while (result := (yield from _result(server))) is not None:
        if result.status != pq.ExecStatus.COMMAND_OK:
            failed = failed or errors.error_from_result(result)
    if failed is not None:
        raise failed


def _result(server: PGconn) -> PQGen[PGresult | None]:
    while server.is_busy():
        yield from _arrival(server)
    return server.get_result()


def _arrival(server: PGconn) -> PQGen[None]:
    from psycopg.waiting import Wait

    while not (yield Wait.R):
        continue
    server.consume_input()
