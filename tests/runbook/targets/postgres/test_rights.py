"""The least rights: what is missing is found and named, what is printed gives exactly them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import msgspec
import pytest
from psycopg import sql

from runbook.errors import NotConfigured
from runbook.model import Reading
from runbook.probes import Readings, reading_through
from runbook.settings import Login
from runbook.targets.postgres.database import Database
from runbook.targets.postgres.granting import Named, commands
from runbook.targets.rights import Right
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.servers_postgres import DATABASE, PASSWORD, SCHEMA, Connection, PostgresServer

READING = [
    *(("log in", ""), ("member", "pg_monitor"), ("usage", ""), ("select", ""), ("sequences", "")),
    *(("temporary", ""), ("extension", "pg_stat_statements")),
]
ACTING = [("log in", ""), ("member", "pg_monitor"), ("member", "pg_signal_backend"), ("owner", "")]
NEW_READER, NEW_OPERATOR = "lector-nuevo", 'operador"nuevo'


def missing(database: Database, identity: str) -> list[Right]:
    return [right for right in database.rights() if right.identity == identity and not right.held]


def test_nothing_is_missing_where_all_is_granted(database: Database) -> None:
    assert {right.identity for right in database.rights()} == {"reader", "operator"}
    assert missing(database, "reader") == []
    assert missing(database, "operator") == []


def test_a_stranger_lacks_all_and_each_has_its_command(
    make_database: MakeDatabase, postgres: PostgresServer, admin: Connection
) -> None:
    login = postgres.login("muses_stranger")
    stranger = make_database(reader=login, operator=login)
    reader = [right.mend for right in missing(stranger, "reader")]
    assert "GRANT pg_monitor TO muses_stranger;" in reader
    assert "GRANT USAGE ON SCHEMA muses_dev TO muses_stranger;" in reader
    assert "GRANT SELECT ON ALL TABLES IN SCHEMA muses_dev TO muses_stranger;" in reader
    operator = [right.mend for right in missing(stranger, "operator")]
    assert "GRANT pg_signal_backend TO muses_stranger;" in operator
    assert "GRANT muses_owner TO muses_stranger;" in operator


@pytest.mark.usefixtures("admin")
def test_a_reader_that_could_change_something_is_told(make_database: MakeDatabase, postgres: PostgresServer) -> None:
    """The operator in the reader's place: it owns the tables, and ends sessions."""
    powerful = make_database(reader=postgres.login("muses_operator"))
    mends = " ".join(right.mend for right in missing(powerful, "reader"))
    assert "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES" in mends
    assert "REVOKE pg_signal_backend FROM muses_operator" in mends
    assert "REVOKE CREATE ON SCHEMA muses_dev" in mends


def test_an_identity_that_does_not_get_in_is_one_missing_right(make_database: MakeDatabase, admin: Connection) -> None:
    database = make_database(operator=Login(user="muses_operator"))
    (locked_out,) = missing(database, "operator")
    assert locked_out.mend == "\\password muses_operator"
    assert missing(database, "reader") == []


def test_a_schema_that_is_not_there_is_told(make_database: MakeDatabase, admin: Connection) -> None:
    (absent,) = missing(make_database(schema="muses_prod"), "reader")
    assert absent.mend == "environments.lab.database.schema"


def test_rights_of_nothing_are_skipped() -> None:
    with pytest.raises(NotConfigured):
        Database("database", None, environment="lab", timezone="UTC").rights()


@pytest.fixture
def granted(postgres: PostgresServer, admin: Connection) -> Iterator[dict[str, str]]:
    """Two new roles made by nothing but the printed SQL, run twice."""
    for _ in range(2):
        for role, rights in ((NEW_READER, READING), (NEW_OPERATOR, ACTING)):
            for right, of in rights:
                admin.execute(commands(right, of, Named(role, DATABASE, SCHEMA))[0])
    roles = [sql.Identifier(name) for name in (NEW_READER, NEW_OPERATOR)]
    for role in roles:
        admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(PASSWORD)))
    yield {"reader": NEW_READER, "operator": NEW_OPERATOR}
    for role in roles:
        admin.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


def test_the_printed_sql_gives_all_that_is_needed(
    make_database: MakeDatabase, postgres: PostgresServer, granted: dict[str, str]
) -> None:
    database = make_database(**{identity: postgres.login(role) for identity, role in granted.items()})
    assert missing(database, "reader") == []
    assert missing(database, "operator") == []
    database.etl_latency(timedelta(minutes=5))
    database.analyze(fingerprint={}, table="tbmu002_persona")


@pytest.mark.parametrize("right", ["log in", "select", "ledger", "large objects"])
def test_names_are_quoted_where_they_must_be(admin: Connection, right: str) -> None:
    """A name that would end every quote there is does nothing but be a name."""
    role = """x"; DROP ROLE muses_reader; --'$$$muses2$"""
    named = Named(role, DATABASE, SCHEMA, ledger=role)
    give, take = commands(right, "", named)
    try:
        admin.execute(commands("log in", "", named)[0])
        admin.execute(give)
        assert admin.execute("SELECT FROM pg_roles WHERE rolname = 'muses_reader'").fetchall()
        admin.execute(take)
    finally:
        admin.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))


def test_every_reading_can_be_recorded_and_replayed(database: Database, postgres: PostgresServer) -> None:
    """Masked, turned into JSON, read back: the same values."""
    statement = "SELECT id_persona FROM tbmu002_persona WHERE curp = $1"

    def read() -> list[object]:
        return [
            database.sight(),
            database.connections(),
            database.sessions(),
            database.blockers(),
            database.etl_latency(timedelta(minutes=5)),
            database.batches(),
            database.load(timedelta(0)),
            database.vacuuming(),
            database.frozen_ages(),
            database.horizon(),
            database.replication(),
            database.pace(timedelta(minutes=5)),
            database.lots(30),
            database.consolidation_rate(timedelta(minutes=5)),
            database.staging(),
            database.statements(),
            database.tables(),
            database.index_proposals((statement,)),
            database.rights(),
        ]

    live = Readings()
    with closing(postgres.session()) as session:
        session.execute("SELECT 1")
        with reading_through(live):
            first = read()
    recorded = msgspec.json.decode(msgspec.json.encode(live.taken()), type=tuple[Reading, ...])
    with reading_through(Readings(record=recorded)):
        assert read() == first
