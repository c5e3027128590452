"""COPY by the piece, on a real server."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from runbook.targets.postgres.copying import copied
from tests.runbook.targets.servers_postgres import Connection

MANY = sql.SQL("COPY (SELECT repeat('x', n % 900) FROM generate_series(1, 20000) AS n) TO STDOUT").format()


def test_pieces_are_whole_rows_and_all_of_them(admin: Connection) -> None:
    pieces = list(copied(admin, MANY, 100_000))
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert all(len(piece) >= 100_000 for piece in pieces[:-1])
    assert b"".join(pieces) == b"".join(b"x" * (n % 900) + b"\n" for n in range(1, 20_001))


def test_nothing_gives_nothing(admin: Connection) -> None:
    assert list(copied(admin, sql.SQL("COPY (SELECT 1 WHERE false) TO STDOUT").format(), 10)) == []


def test_an_error_halfway_is_the_servers_own(admin: Connection) -> None:
    query = sql.SQL("COPY (SELECT 1 / (n - 5000) FROM generate_series(1, 10000) AS n) TO STDOUT").format()
    with pytest.raises(psycopg.errors.DivisionByZero), admin.transaction():
        list(copied(admin, query, 100))
    assert admin.execute("SELECT 1 AS one").fetchall() == [{"one": 1}]


def test_who_stops_early_cancels_the_statement(admin: Connection) -> None:
    reading = copied(admin, sql.SQL("COPY (SELECT generate_series(1, 100000000)) TO STDOUT").format(), 100)
    assert next(reading).startswith(b"1\n2\n")
    reading.close()
    assert admin.execute("SELECT 1 AS one").fetchall() == [{"one": 1}]
