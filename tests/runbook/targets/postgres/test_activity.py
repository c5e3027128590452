"""Who is in the database and who waits for whom: real sessions of a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta

import psycopg
import pytest

from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.targets.postgres.database import Database
from runbook.targets.postgres.structs import Session
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.servers_postgres import Connection, PostgresServer, until

LOCK = "BEGIN; LOCK TABLE tbmu006_inscripcion IN EXCLUSIVE MODE"
WRITE = "UPDATE tbmu006_inscripcion SET activo = 'A' WHERE id_inscripcion = 1"


@contextmanager
def waiting(session: Connection, statement: str) -> Iterator[None]:
    """A session that is busy with a statement until it may go on."""

    def run() -> None:
        try:
            session.execute(statement)
        except psycopg.OperationalError:
            return  # ended by the test

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        session.cancel_safe()
        thread.join(5)


def named(database: Database, application: str) -> Session:
    (found,) = [s for s in database.sessions() if s.application == application]
    return found


def test_the_clocks_difference_is_told(database: Database, admin: Connection) -> None:
    assert abs(database.clock_skew()) < timedelta(seconds=10), "the server is on this machine"


def test_sight_tells_who_answers(database: Database, admin: Connection) -> None:
    sight = database.sight()
    assert sight.server_version == admin.info.server_version
    assert sight.sees_other_sessions
    assert sight.statements
    assert not sight.in_recovery
    assert sight.now.utcoffset() == timedelta(0)
    assert int(sight.system_identifier) > 0


def test_nothing_is_asked_without_settings() -> None:
    target = Database("database", None, environment="prod", timezone="UTC")
    with pytest.raises(NotConfigured) as caught:
        target.sessions()
    assert caught.value.setting == "environments.prod.database"
    target.close()


def test_connections_are_counted_by_role_and_application(
    database: Database, postgres: PostgresServer, admin: Connection
) -> None:
    admin.execute("ALTER ROLE muses_app CONNECTION LIMIT 7")
    admin.execute("ALTER DATABASE sep_muses CONNECTION LIMIT 25")
    try:
        with ExitStack() as open_:
            for application in ("uno", "uno", "dos"):
                open_.enter_context(closing(postgres.session(application)))
            found = database.connections()
    finally:
        admin.execute("ALTER ROLE muses_app CONNECTION LIMIT -1")
        admin.execute("ALTER DATABASE sep_muses CONNECTION LIMIT -1")
    (app,) = [role for role in found.roles if role.role == "muses_app"]
    assert (app.limit, app.used, app.idle) == (7, 3, 3)
    assert app.by_application == {"uno": 2, "dos": 1}
    assert (found.max_connections, found.reserved, found.database_limit) == (30, 3, 25)
    assert found.used >= found.database_used >= 5
    uses = {use.application: use for use in found.applications}
    assert (uses["uno"].used, uses["uno"].idle, uses["uno"].active, uses["uno"].role) == (2, 2, 0, "muses_app")
    assert found.left_for("muses_app") == 4
    assert found.left_for("another") == 25 - found.database_used


def test_a_role_without_connections_shows_with_its_limit(make_database: MakeDatabase, admin: Connection) -> None:
    found = make_database(application_roles=("muses_stranger",)).connections()
    (stranger,) = [role for role in found.roles if role.role == "muses_stranger"]
    assert (stranger.limit, stranger.used, stranger.by_application) == (None, 0, {})


def test_sessions_show_state_and_query_without_values(database: Database, postgres: PostgresServer) -> None:
    with closing(postgres.session("lote")) as session:
        session.execute("BEGIN")
        session.execute("SELECT 'XEXX010101HNEXXXA4' AS curp /* Juana */")
        found = named(database, "lote")
    assert (found.state, found.role, found.client) == ("idle in transaction", "muses_app", "127.0.0.1")
    assert not found.own
    assert found.query == "SELECT $1 AS curp"
    assert found.transaction_age is not None
    assert found.transaction_age >= found.since >= timedelta(0)
    assert found.query_age is None
    assert found.identity["backend_start"] == found.backend_start.isoformat()


def test_the_query_of_another_database_is_left_out(database: Database, postgres: PostgresServer) -> None:
    with closing(postgres.admin("postgres")) as elsewhere:
        elsewhere.execute("SET application_name TO 'ajena'")
        elsewhere.execute("SELECT 1 AS secreto")
        found = named(database, "ajena")
    assert (found.database, found.query) == ("postgres", "")


def test_our_own_sessions_are_marked(make_database: MakeDatabase, database: Database) -> None:
    other = make_database()
    other.sight()
    own = [s for s in database.sessions() if s.own]
    assert [s.application for s in own] == ["muses-runbook"]


def test_the_root_blocker_is_found_behind_a_chain(database: Database, postgres: PostgresServer) -> None:
    with ExitStack() as held:
        root, middle, last = (held.enter_context(closing(postgres.session(n))) for n in ("raiz", "medio", "fin"))
        root.execute(LOCK)
        middle.execute("BEGIN")
        middle.execute("SELECT pg_advisory_xact_lock(1)")
        held.enter_context(waiting(middle, WRITE))
        until(lambda: named(database, "medio").blocked_by)
        held.enter_context(waiting(last, "SELECT pg_advisory_lock(1)"))
        until(lambda: named(database, "fin").blocked_by)
        (blocker,) = database.blockers()
        assert blocker.session.application == "raiz"
        assert blocker.session.state == "idle in transaction"
        assert blocker.waiting == 2
        assert timedelta(0) < blocker.longest_wait < timedelta(seconds=10)
        assert blocker.relations == ("tbmu006_inscripcion",)
        assert named(database, "fin").blocked_by == (middle.info.backend_pid,)
        assert named(database, "medio").wait_event_type == "Lock"
        root.execute("ROLLBACK")


def test_a_prepared_transaction_blocks_without_a_session(database: Database, postgres: PostgresServer) -> None:
    with closing(postgres.session("preparada")) as first, closing(postgres.session("espera")) as second:
        first.execute(LOCK)
        first.execute("PREPARE TRANSACTION 'olvidada'")
        try:
            with waiting(second, WRITE):
                until(lambda: named(database, "espera").blocked_by)
                (blocker,) = database.blockers()
                assert (blocker.session.pid, blocker.session.backend_type) == (0, "prepared transaction")
                assert blocker.waiting == 1
                assert (blocker.prepared, blocker.session.role) == ("olvidada", "muses_app")
                assert blocker.session.transaction_age is not None
                assert blocker.relations == ("tbmu006_inscripcion",)
        finally:
            first.execute("ROLLBACK PREPARED 'olvidada'")


def test_a_row_of_a_prepared_transaction_is_waited_for_by_its_number(
    database: Database, postgres: PostgresServer, admin: Connection
) -> None:
    admin.execute("INSERT INTO tbae002_bajas (uuid) VALUES ('u')")
    change = "UPDATE tbae002_bajas SET motivo_baja = 'x' WHERE uuid = 'u'"
    with ExitStack() as held:
        first, second, other = (held.enter_context(closing(postgres.session(n))) for n in ("uno", "espera", "otra"))
        first.execute("BEGIN")
        first.execute(change)
        first.execute("PREPARE TRANSACTION 'de-una-fila'")
        other.execute("BEGIN; LOCK TABLE tbae002_bajas IN ACCESS SHARE MODE")
        other.execute("PREPARE TRANSACTION 'inocente'")
        try:
            held.enter_context(waiting(second, change))
            until(lambda: named(database, "espera").blocked_by)
            (blocker,) = database.blockers()
            assert blocker.prepared == "de-una-fila"
        finally:
            for gid in ("de-una-fila", "inocente"):
                admin.execute(f"ROLLBACK PREPARED '{gid}'")


def test_the_tree_of_three_blockers(database: Database, postgres: PostgresServer) -> None:
    """Two stand behind the root, a third behind the last of them, although it would wait for the root as well."""
    with ExitStack() as held:

        def session(application: str) -> Connection:
            return held.enter_context(closing(postgres.session(application)))

        def behind(application: str, statement: str, *first: str) -> None:
            made = session(application)
            for line in first:
                made.execute(line)
            held.enter_context(waiting(made, statement))
            until(lambda: named(database, application).blocked_by)

        root, other = session("raiz"), session("aparte")
        root.execute(LOCK)
        other.execute("SELECT pg_advisory_lock(7)")
        behind("segunda", WRITE, "BEGIN", "SELECT pg_advisory_xact_lock(1)")
        behind("tercera", "SELECT pg_advisory_lock(1)")
        behind("cuarta", "LOCK TABLE tbmu006_inscripcion IN ACCESS EXCLUSIVE MODE", "BEGIN")
        behind("de-aparte", "SELECT pg_advisory_lock(7)")
        first, second = database.blockers()
        held.enter_context(closing(root))
        root.execute("ROLLBACK")
        other.execute("SELECT pg_advisory_unlock(7)")
    tree = [(w.depth, w.session.application, w.wants) for w in first.behind]
    assert (first.session.application, first.waiting) == ("raiz", 3)
    assert tree == [
        (1, "segunda", "RowExclusiveLock tbmu006_inscripcion"),
        (2, "cuarta", "AccessExclusiveLock tbmu006_inscripcion"),
        (2, "tercera", "ExclusiveLock advisory"),
    ]
    assert all(w.session.waiting is not None for w in first.behind)
    assert (second.session.application, [w.session.application for w in second.behind]) == ("aparte", ["de-aparte"])


def test_nobody_blocks_when_nobody_waits(database: Database, postgres: PostgresServer) -> None:
    with closing(postgres.session()) as session:
        session.execute(LOCK)
        assert database.blockers() == ()
        session.execute("ROLLBACK")


@pytest.mark.parametrize("probe", ["connections", "sessions", "blockers", "statements"])
def test_without_sight_a_probe_is_blind_and_says_the_grant(
    make_database: MakeDatabase, postgres: PostgresServer, admin: Connection, probe: str
) -> None:
    blind = make_database(reader=postgres.login("muses_stranger"))
    assert not blind.sight().sees_other_sessions
    with pytest.raises(ProbeError) as caught:
        getattr(blind, probe)()
    assert caught.value.kind is ProbeFailure.BLIND
    assert "GRANT pg_monitor TO muses_stranger" in str(caught.value)


def test_a_locked_table_does_not_hide_who_locked_it(database: Database, postgres: PostgresServer) -> None:
    with closing(postgres.session(role="muses_operator")) as session:
        session.execute("BEGIN; LOCK TABLE tbae001_inscripcion IN ACCESS EXCLUSIVE MODE")
        assert database.sessions()
        assert database.tables()
        with pytest.raises(ProbeError) as caught:
            database.staging()
        session.execute("ROLLBACK")
    assert (caught.value.kind, caught.value.code) == (ProbeFailure.SLOW, "55P03")
