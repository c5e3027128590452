"""Every way in which the database cannot be read: its kind, the setting to change, no secret, and in time."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from runbook.errors import ProbeError, ProbeFailure
from runbook.probes import DEADLINE, Readings, reading_through
from runbook.settings import DatabaseSettings, Login, Secret
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.connection import Readers
from runbook.targets.postgres.database import Database
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.servers_network import fixed_answer, refused_port, silent_port, tls_in_front_of
from tests.runbook.targets.servers_postgres import PASSWORD, Connection, PostgresServer, until


@contextmanager
def target(**settings: Any) -> Iterator[Database]:
    given = {"reader": Login(user="muses_reader"), **settings}
    made = Database("database", DatabaseSettings(**given), environment="lab", timezone="UTC")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def readers(postgres: PostgresServer) -> Iterator[Readers]:
    """The reader's connections by themselves."""
    made = Readers(Access("database", "environments.lab.database", postgres.settings()))
    yield made
    made.close()


def failure(database: Database, probe: str = "sight") -> ProbeError:
    """The error of a probe, which came before the engine's deadline and tells no secret."""
    started = time.monotonic()
    with pytest.raises(ProbeError) as caught:
        getattr(database, probe)()
    assert time.monotonic() - started < DEADLINE.total_seconds()
    assert PASSWORD not in str(caught.value)
    return caught.value


def test_a_wrong_password(make_database: MakeDatabase, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("wrong-password")
    login = Login(user="muses_reader", password=Secret(file=tmp_path / "wrong"))
    error = failure(make_database(reader=login))
    assert (error.kind, error.code) == (ProbeFailure.DENIED, "28P01")
    assert "environments.lab.database.reader" in str(error)
    assert "wrong-password" not in str(error)


def test_no_password_where_one_is_asked_for(make_database: MakeDatabase) -> None:
    error = failure(make_database(reader=Login(user="muses_reader")))
    assert (error.kind, error.code) == (ProbeFailure.DENIED, "28P01")


def test_a_password_that_cannot_be_read(make_database: MakeDatabase, tmp_path: Path) -> None:
    error = failure(make_database(reader=Login(user="muses_reader", password=Secret(file=tmp_path / "none"))))
    assert error.kind is ProbeFailure.DENIED
    assert str(tmp_path / "none") in str(error)


def test_a_role_that_may_not_connect(make_database: MakeDatabase, admin: Connection) -> None:
    admin.execute("REVOKE CONNECT ON DATABASE sep_muses FROM PUBLIC")
    try:
        error = failure(make_database())
    finally:
        admin.execute("GRANT CONNECT ON DATABASE sep_muses TO PUBLIC")
    assert (error.kind, error.code) == (ProbeFailure.DENIED, "42501")


def test_a_database_that_does_not_exist(make_database: MakeDatabase) -> None:
    error = failure(make_database(name="sep_mises"))
    assert (error.kind, error.code) == (ProbeFailure.ABSENT, "3D000")
    assert "environments.lab.database.name" in str(error)


def test_the_limit_of_a_role(make_database: MakeDatabase, admin: Connection) -> None:
    admin.execute("ALTER ROLE muses_reader CONNECTION LIMIT 0")
    try:
        error = failure(make_database())
    finally:
        admin.execute("ALTER ROLE muses_reader CONNECTION LIMIT -1")
    assert (error.kind, error.code) == (ProbeFailure.LIMIT, "53300")
    assert "muses_reader" in str(error)


def test_the_servers_own_limit(make_database: MakeDatabase, postgres: PostgresServer) -> None:
    with ExitStack() as open_:
        with suppress(psycopg.OperationalError):
            for _ in range(40):
                open_.enter_context(closing(postgres.session()))
        assert failure(make_database()).kind is ProbeFailure.LIMIT


def test_a_refused_port() -> None:
    port = refused_port()
    with target(port=port) as database:
        error = failure(database)
    assert error.kind is ProbeFailure.REFUSED
    assert f"127.0.0.1:{port}" in str(error)
    assert "environments.lab.database.port" in str(error)


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    with target(host=str(tmp_path)) as database:
        assert failure(database).kind is ProbeFailure.REFUSED


def test_a_host_name_that_nobody_knows() -> None:
    with target(host="muses.invalid") as database:
        error = failure(database)
    assert error.kind is ProbeFailure.DNS
    assert "environments.lab.database.host" in str(error)


def test_a_server_that_accepts_and_never_answers() -> None:
    with silent_port() as port, target(port=port) as database:
        assert failure(database).kind is ProbeFailure.SILENT


def test_what_is_no_postgresql() -> None:
    with fixed_answer(b"HTTP/1.0 400 Bad Request\r\n\r\n") as port, target(port=port, sslmode="disable") as database:
        assert failure(database).kind is ProbeFailure.BROKEN


def test_a_server_without_tls(make_database: MakeDatabase) -> None:
    error = failure(make_database(sslmode="require"))
    assert error.kind is ProbeFailure.TLS
    assert "environments.lab.database.sslmode" in str(error)


@pytest.fixture
def tls_server(postgres: PostgresServer, admin: Connection, tmp_path: Path) -> Iterator[Path]:
    """The server speaks TLS for ``localhost``; the file of its authority."""
    with tls_in_front_of(postgres.port, tmp_path) as (_, certificate):
        for name in ("server.pem", "server.key"):
            kept = postgres.home / "data" / name
            kept.write_bytes((tmp_path / name).read_bytes())
            kept.chmod(0o600)
    for setting in ("ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.key'", "ssl = on"):
        admin.execute(f"ALTER SYSTEM SET {setting}")
    admin.execute("SELECT pg_reload_conf()")
    until(lambda: admin.execute("SHOW ssl").fetchone() == {"ssl": "on"})
    yield certificate
    admin.execute("ALTER SYSTEM RESET ssl")
    admin.execute("SELECT pg_reload_conf()")
    until(lambda: admin.execute("SHOW ssl").fetchone() == {"ssl": "off"})


def test_a_certificate_that_nobody_vouches_for(make_database: MakeDatabase, tls_server: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with tls_in_front_of(1, tmp_path / "other") as (_, unrelated):
        verified = make_database(sslmode="verify-full", sslrootcert=unrelated, host="localhost")
        assert failure(verified).kind is ProbeFailure.TLS


def test_a_certificate_that_is_vouched_for(make_database: MakeDatabase, tls_server: Path) -> None:
    verified = make_database(sslmode="verify-full", sslrootcert=tls_server, host="localhost")
    assert verified.sight().sees_other_sessions


def test_a_missing_right_on_a_table_blinds_one_probe_only(make_database: MakeDatabase, admin: Connection) -> None:
    admin.execute("REVOKE SELECT ON tbae009_respuesta FROM muses_reader")
    database = make_database()
    with pytest.raises(ProbeError) as caught:
        database.etl_latency(timedelta(minutes=5))
    assert (caught.value.kind, caught.value.code) == (ProbeFailure.BLIND, "42501")
    assert not caught.value.kind.whole_target
    assert database.sessions() is not None


def test_rows_hidden_by_a_policy_are_an_error(make_database: MakeDatabase, admin: Connection) -> None:
    admin.execute("ALTER TABLE tbae001_inscripcion ENABLE ROW LEVEL SECURITY")
    with pytest.raises(ProbeError) as caught:
        make_database().etl_latency(timedelta(minutes=5))
    assert caught.value.kind is ProbeFailure.BLIND


def test_a_table_that_does_not_exist(make_database: MakeDatabase, admin: Connection) -> None:
    with pytest.raises(ProbeError) as caught:
        make_database(exchange_tables=("tbae999_nada",)).etl_latency(timedelta(minutes=5))
    assert caught.value.kind is ProbeFailure.ABSENT
    assert "tbae999_nada" in str(caught.value)


def test_a_status_that_does_not_exist_does_not_hide_the_backlog(make_database: MakeDatabase, admin: Connection) -> None:
    with pytest.raises(ProbeError) as caught:
        make_database(unfinished_statuses=("RECIVIDO",)).batches()
    assert caught.value.kind is ProbeFailure.ABSENT
    assert "RECIVIDO" in str(caught.value)
    assert "RECIBIDO" in str(caught.value)


def test_statistics_of_statements_that_are_not_installed(make_database: MakeDatabase, admin: Connection) -> None:
    admin.execute("DROP EXTENSION pg_stat_statements")
    try:
        error = failure(make_database(), "statements")
    finally:
        admin.execute("CREATE EXTENSION pg_stat_statements SCHEMA public")
    assert error.kind is ProbeFailure.BLIND
    assert "CREATE EXTENSION pg_stat_statements" in str(error)


def test_a_statement_that_takes_too_long_is_ended_by_the_server(readers: Readers) -> None:
    started = time.monotonic()
    with pytest.raises(ProbeError) as caught, readers.reader(1.0) as reader:
        reader.rows(sql.SQL("SELECT pg_sleep(20)"))
    assert time.monotonic() - started < 1.0
    assert (caught.value.kind, caught.value.code) == (ProbeFailure.SLOW, "57014")
    with readers.reader() as again:
        assert again.row(sql.SQL("SELECT 1 AS one")) == {"one": 1}


def test_a_server_that_freezes_in_the_middle(readers: Readers) -> None:
    with readers.reader() as reader:
        pid = reader.connection.info.backend_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(ProbeError) as caught, readers.reader(1.0) as reader:
            reader.rows(sql.SQL("SELECT 1"))
        assert 0.9 < time.monotonic() - started < 1.5
    finally:
        os.kill(pid, signal.SIGCONT)
    assert caught.value.kind is ProbeFailure.SILENT


def test_a_connection_that_the_server_left_is_replaced(database: Database, admin: Connection) -> None:
    database.sight()
    admin.execute(
        "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE application_name = 'muses-runbook'"
    )
    assert database.sight().sees_other_sessions


def test_at_most_four_connections_are_used(database: Database, admin: Connection) -> None:
    threads = [threading.Thread(target=database.sessions) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = admin.execute("SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'muses-runbook'")
    assert 1 <= (found.fetchone() or {})["n"] <= 4
    database.close()
    left = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'muses-runbook'"
    until(lambda: (admin.execute(left).fetchone() or {})["n"] == 0)
    database.close()


@pytest.mark.parametrize(
    "words", ["DELETE FROM muses_dev.tbae002_bajas", "CREATE TABLE muses_dev.x (y int)", "SELECT pg_reload_conf()"]
)
def test_the_reader_can_change_nothing_even_outside_read_only(readers: Readers, admin: Connection, words: str) -> None:
    unlocked = sql.SQL("SET default_transaction_read_only = off")
    with pytest.raises(ProbeError) as caught, readers.reader() as reader:  # noqa: PT012 - the context maps the error
        reader.execute(unlocked)
        reader.execute(sql.SQL(words))
    assert caught.value.code == "42501"


def test_a_silent_server_costs_one_deadline_for_all_probes() -> None:
    with silent_port() as port, target(port=port) as database, reading_through(Readings()):
        started = time.monotonic()
        for probe in ("sight", "connections", "sessions", "blockers"):
            with pytest.raises(ProbeError) as caught:
                getattr(database, probe)()
            assert caught.value.kind is ProbeFailure.SILENT
        assert time.monotonic() - started < DEADLINE.total_seconds()
