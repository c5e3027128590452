"""PostgreSQL for the tests of the database target: one server a version, new tables and a new target a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from runbook.targets.postgres.database import Database
from tests.runbook.targets.servers_postgres import ZONE, Connection, PostgresServer, installations

MakeDatabase = Callable[..., Database]


@pytest.fixture(scope="session", params=installations())
def postgres(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A server with the roles and an empty database."""
    server = PostgresServer(installations()[request.param])
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def admin(postgres: PostgresServer) -> Iterator[Connection]:
    """The superuser in a database with new, empty tables."""
    postgres.make_tables()
    with closing(postgres.admin()) as connection:
        connection.execute("SET search_path TO muses_dev, public")
        connection.execute(f"SET TimeZone TO '{ZONE}'")
        yield connection


@pytest.fixture
def make_database(postgres: PostgresServer) -> Iterator[MakeDatabase]:
    """Makes targets of this server with some settings changed; they are closed at the end."""
    with ExitStack() as made:

        def make(timezone: str = ZONE, **changes: Any) -> Database:
            target = Database("database", postgres.settings(**changes), environment="lab", timezone=timezone)
            made.callback(target.close)
            return target

        yield make


@pytest.fixture
def database(admin: Connection, make_database: MakeDatabase) -> Database:
    """The target, as the lab's site file would make it."""
    return make_database()
