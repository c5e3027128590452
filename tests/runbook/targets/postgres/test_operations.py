"""What the operator does, and everything that it refuses to do, on a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from runbook.errors import ActionError
from runbook.model import Effect, Step
from runbook.settings import Login
from runbook.targets.postgres import building
from runbook.targets.postgres.database import Database
from runbook.targets.postgres.structs import Session
from runbook.text import verbatim
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.servers_postgres import Connection, PostgresServer, until

INDEX: dict[str, Any] = {"table": "tbmu002_persona", "columns": ["curp"], "name": "ix_muses_tbmu002_persona_curp"}
LOCK = "BEGIN; LOCK TABLE tbmu006_inscripcion IN EXCLUSIVE MODE"


def named(database: Database, application: str) -> Session:
    (found,) = [s for s in database.sessions() if s.application == application]
    return found


def end(database: Database, session: Session, **changed: Any) -> dict[str, Any]:
    """Perform the step that a row plans for this session, with some facts of its fingerprint changed."""
    step = Step(
        what=verbatim("end"),
        target="database",
        operation="end_session",
        arguments=session.identity,
        fingerprint={**session.fingerprint, **changed},
    )
    return database.perform(step)


def refused(caught: pytest.ExceptionInfo[ActionError]) -> str:
    assert caught.value.refused
    return str(caught.value)


@pytest.fixture
def service(postgres: PostgresServer, admin: Connection) -> Iterator[Connection]:
    """A service's session, idle in a transaction that holds a lock."""
    with closing(postgres.session("consulta-manual")) as session:
        session.execute(LOCK)
        yield session


def is_alive(session: Connection) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def test_a_session_is_ended_and_gone(database: Database, service: Connection) -> None:
    blocker = named(database, "consulta-manual")
    done = end(database, blocker)
    assert done["after"] == {"present": False}
    assert done["before"]["application"] == "consulta-manual"
    assert not is_alive(service)
    assert [s for s in database.sessions() if s.pid == blocker.pid] == []


def test_a_session_that_is_gone_is_refused(database: Database, service: Connection) -> None:
    blocker = named(database, "consulta-manual")
    service.close()
    until(lambda: not [s for s in database.sessions() if s.pid == blocker.pid])
    with pytest.raises(ActionError) as caught:
        end(database, blocker)
    assert "gone" in refused(caught)


@pytest.mark.parametrize(
    "changed",
    [
        {"backend_start": "2026-01-01T00:00:00+00:00"},
        {"backend_start": "not a time"},
        {"state": "active"},
        {"state_changed_at": "2026-01-01T00:00:00+00:00"},
        {"state_changed_at": None},
        {"role": "muses_owner"},
        {"never heard of": 1},
    ],
)
def test_a_session_that_is_not_as_planned_is_refused(
    database: Database, service: Connection, changed: dict[str, Any]
) -> None:
    with pytest.raises(ActionError) as caught:
        end(database, named(database, "consulta-manual"), **changed)
    refused(caught)
    assert is_alive(service)


def test_a_pid_that_somebody_else_has_by_now_is_refused(database: Database, service: Connection) -> None:
    blocker = named(database, "consulta-manual")
    arguments = {**blocker.identity, "backend_start": "2026-01-01T00:00:00+00:00"}
    with pytest.raises(ActionError) as caught:
        database.end_session(fingerprint={}, **arguments)
    assert "backend_start" in refused(caught)
    assert is_alive(service)


def test_a_session_that_was_used_since_is_refused(database: Database, service: Connection) -> None:
    idle = named(database, "consulta-manual")
    service.execute("SELECT 1")
    with pytest.raises(ActionError) as caught:
        end(database, idle)
    assert "state_changed_at" in refused(caught)


@pytest.mark.parametrize("application", ["pg_dump", "pg_restore", "pgBackRest [backup]", "muses-runbook"])
def test_a_dump_and_ourselves_are_never_ended(database: Database, postgres: PostgresServer, application: str) -> None:
    with closing(postgres.session(application)) as session:
        session.execute("BEGIN; SELECT 1")
        (found,) = [s for s in database.sessions() if s.application == application and s.role == "muses_app"]
        with pytest.raises(ActionError) as caught:
            end(database, found)
        refused(caught)
        assert is_alive(session)


def test_the_readers_own_session_is_never_ended(database: Database, postgres: PostgresServer) -> None:
    with closing(postgres.session("otro-nombre", role="muses_reader")) as session:
        with pytest.raises(ActionError) as caught:
            end(database, named(database, "otro-nombre"))
        assert "ours" in refused(caught)
        assert is_alive(session)


def test_a_superusers_session_and_another_databases_are_never_ended(
    database: Database, postgres: PostgresServer
) -> None:
    for name in ("sep_muses", "postgres"):
        with closing(postgres.admin(name)) as session:
            session.execute(f"SET application_name TO 'de-{name}'")
            with pytest.raises(ActionError) as caught:
                end(database, named(database, f"de-{name}"))
            refused(caught)
            assert is_alive(session)


def test_a_process_of_the_server_is_never_ended(database: Database, admin: Connection) -> None:
    found = admin.execute(
        "SELECT pid, backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    ).fetchone()
    assert found is not None
    with pytest.raises(ActionError) as caught:
        database.end_session(fingerprint={}, **found, state="")
    assert "checkpointer" in refused(caught)


def test_the_missing_right_to_end_is_named(database: Database, service: Connection, admin: Connection) -> None:
    admin.execute("REVOKE pg_signal_backend FROM muses_operator")
    try:
        with pytest.raises(ActionError) as caught:
            end(database, named(database, "consulta-manual"))
    finally:
        admin.execute("GRANT pg_signal_backend TO muses_operator")
    assert "GRANT pg_signal_backend TO muses_operator" in str(caught.value)
    assert not caught.value.refused
    assert is_alive(service)


def test_without_an_operator_nothing_is_done(make_database: MakeDatabase, admin: Connection) -> None:
    with pytest.raises(ActionError) as caught:
        make_database(operator=None).analyze(fingerprint={}, table="tbmu002_persona")
    assert "environments.lab.database.operator" in str(caught.value)


def test_an_operator_who_does_not_get_in(make_database: MakeDatabase, admin: Connection) -> None:
    with pytest.raises(ActionError) as caught:
        make_database(operator=Login(user="muses_operator")).analyze(fingerprint={}, table="tbmu002_persona")
    assert "muses_operator" in str(caught.value)


def test_the_operators_connection_does_not_stay(database: Database, admin: Connection) -> None:
    database.analyze(fingerprint={}, table="tbmu002_persona")
    left = "SELECT FROM pg_stat_activity WHERE usename = 'muses_operator'"
    until(lambda: not admin.execute(left).rowcount)


def test_an_index_is_built_checked_and_dropped(database: Database, admin: Connection) -> None:
    done = database.create_index(fingerprint={"equivalent": None}, **INDEX)
    assert done["after"]["valid"] is True
    assert done["after"]["bytes"] > 0
    with pytest.raises(ActionError) as caught:
        database.create_index(fingerprint={}, **INDEX)
    assert INDEX["name"] in refused(caught)
    undone = database.drop_index(fingerprint={}, name=INDEX["name"])
    assert (undone["before"]["valid"], undone["after"]) == (True, {"index": None})
    with pytest.raises(ActionError) as caught:
        database.drop_index(fingerprint={}, name=INDEX["name"])
    refused(caught)


def test_a_table_that_was_made_anew_since_the_plan_is_refused(database: Database, admin: Connection) -> None:
    oid = next(t.table_oid for t in database.tables() if t.table == "tbmu002_persona")
    with pytest.raises(ActionError) as caught:
        database.create_index(fingerprint={"table_oid": oid + 1}, **INDEX)
    assert "table_oid" in refused(caught)
    with pytest.raises(ActionError) as caught:
        database.create_index(fingerprint={}, **{**INDEX, "table": "tbmu999"})
    refused(caught)


def test_an_old_transaction_stops_a_build_and_what_is_left_goes_at_the_next(
    database: Database, postgres: PostgresServer, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_LOCK_PATIENCE", "300ms")
    with closing(postgres.session()) as session:
        session.execute("BEGIN; LOCK TABLE tbmu002_persona IN ROW EXCLUSIVE MODE")
        with pytest.raises(ActionError) as caught:
            database.create_index(fingerprint={}, **INDEX)
        session.execute("ROLLBACK")
    assert not caught.value.refused
    assert "tbmu002_persona" in str(caught.value)
    left = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix_muses_tbmu002_persona_curp')"
    assert admin.execute(left).fetchone() == {"indisvalid": False}
    assert database.create_index(fingerprint={}, **INDEX)["after"]["valid"] is True


def test_a_build_succeeds_at_its_second_try(
    database: Database, postgres: PostgresServer, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_LOCK_PATIENCE", "700ms")
    with closing(postgres.session()) as session:
        session.execute("BEGIN; LOCK TABLE tbmu002_persona IN ROW EXCLUSIVE MODE")
        timer = threading.Timer(1.0, lambda: session.execute("ROLLBACK"))
        timer.start()
        started = time.monotonic()
        assert database.create_index(fingerprint={}, **INDEX)["after"]["valid"] is True
        assert time.monotonic() - started > 0.9
        timer.join()


def test_somebody_elses_build_is_left_alone(database: Database, postgres: PostgresServer, admin: Connection) -> None:
    """Another operator builds the same index and waits for an old transaction: not valid yet, and no leftover."""
    with closing(postgres.session("vieja")) as old, closing(postgres.session("otro", role="muses_operator")) as other:
        old.execute("BEGIN; LOCK TABLE tbmu002_persona IN ROW EXCLUSIVE MODE")
        build = f"CREATE INDEX CONCURRENTLY {INDEX['name']} ON tbmu002_persona (curp)"
        thread = threading.Thread(target=lambda: other.execute(build))
        thread.start()
        until(lambda: admin.execute("SELECT FROM pg_stat_progress_create_index").rowcount)
        until(lambda: admin.execute("SELECT FROM pg_class WHERE relname LIKE 'ix_muses%'").rowcount)
        with pytest.raises(ActionError) as caught:
            database.create_index(fingerprint={}, **INDEX)
        assert "being built" in refused(caught)
        old.execute("ROLLBACK")
        thread.join(10)
        valid = "SELECT FROM pg_index WHERE indisvalid AND indexrelid = 'ix_muses_tbmu002_persona_curp'::regclass"
        assert admin.execute(valid).rowcount


@pytest.mark.parametrize(
    "name", ["tbmu002_persona_pkey", "ix_otra", "pg_class_oid_index", 'x"; DROP TABLE tbmu002_persona; --']
)
def test_only_our_own_indexes_are_made_and_dropped(database: Database, admin: Connection, name: str) -> None:
    with pytest.raises(ActionError) as caught:
        database.drop_index(fingerprint={}, name=name)
    assert "ix_muses_" in refused(caught)
    with pytest.raises(ActionError) as caught:
        database.create_index(fingerprint={}, **{**INDEX, "name": name})
    refused(caught)


def test_an_index_that_enforces_something_is_never_dropped(database: Database, admin: Connection) -> None:
    admin.execute("CREATE UNIQUE INDEX ix_muses_unica ON tbmu002_persona (id_persona)")
    with pytest.raises(ActionError) as caught:
        database.drop_index(fingerprint={}, name="ix_muses_unica")
    assert "constraint" in refused(caught)


def test_a_name_taken_by_another_index_is_refused(database: Database, admin: Connection) -> None:
    admin.execute(f"CREATE INDEX {INDEX['name']} ON tbmu002_persona (rfc)")
    with pytest.raises(ActionError) as caught:
        database.create_index(fingerprint={}, **INDEX)
    refused(caught)


def test_hostile_names_are_names(database: Database, admin: Connection) -> None:
    admin.execute('CREATE TABLE "tbae""; --%s" ("c""%s" int, fcreacion timestamp)')
    admin.execute('ALTER TABLE "tbae""; --%s" OWNER TO muses_owner')
    made = {"table": 'tbae"; --%s', "columns": ['c"%s'], "name": 'ix_muses_"%s;--'}
    assert database.create_index(fingerprint={}, **made)["after"]["valid"] is True
    database.analyze(fingerprint={}, table='tbae"; --%s')
    database.drop_index(fingerprint={}, name=made["name"])


def test_statistics_are_renewed(database: Database, admin: Connection) -> None:
    (before,) = [t for t in database.tables() if t.table == "tbmu002_persona"]
    done = database.analyze(fingerprint=before.fingerprint, table="tbmu002_persona")
    (after,) = [t for t in database.tables() if t.table == "tbmu002_persona"]
    assert before.last_analyze is None
    assert after.last_analyze is not None
    assert done["after"]["last_analyze"] == after.last_analyze.isoformat()


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [("create_index", INDEX), ("analyze", {"table": "tbmu002_persona"}), ("drop_index", {"name": INDEX["name"]})],
)
def test_the_missing_right_to_change_is_named(
    database: Database, admin: Connection, operation: str, arguments: dict[str, Any]
) -> None:
    if operation == "drop_index":
        admin.execute(f"CREATE INDEX {INDEX['name']} ON tbmu002_persona (curp)")
    admin.execute("REVOKE muses_owner FROM muses_operator")
    try:
        with pytest.raises(ActionError) as caught:
            getattr(database, operation)(fingerprint={}, **arguments)
    finally:
        admin.execute("GRANT muses_owner TO muses_operator")
    assert "GRANT muses_owner TO muses_operator" in str(caught.value)


def test_every_operation_declares_its_effect(database: Database) -> None:
    for name in ("end_session", "create_index", "drop_index", "analyze"):
        step = Step(what=verbatim(name), target="database", operation=name)
        assert database.effect_of(step) is Effect.CHANGE
    assert database.effect_of(Step(what=verbatim("x"), target="database", operation="sessions")) is Effect.UNKNOWN
