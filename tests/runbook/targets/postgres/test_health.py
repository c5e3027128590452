"""DB-02 to DB-21 on real servers of each version: each row broken on purpose, and blind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors

from checks import configuration, rates, replication, sessions, upkeep
from runbook.errors import ProbeError, ProbeFailure
from runbook.limits import Limits, Threshold
from runbook.model import State, Verdict
from runbook.rows import Check, of
from runbook.targets.postgres.database import Database
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.postgres.test_activity import LOCK, waiting
from tests.runbook.targets.postgres.test_load import told
from tests.runbook.targets.servers_broken import broken_server
from tests.runbook.targets.servers_postgres import Connection, PostgresServer, installations, until

NOW = timedelta(0)
CHECKS: list[Check] = [
    row.check
    for module in (sessions, upkeep, replication, rates, configuration)
    for row in (getattr(value, "__row__", None) for value in vars(module).values())
    if row is not None
]


class Past:
    """What an earlier check kept, ten minutes ago."""

    elsewhere = None

    def __init__(self, verdict: Verdict | None = None) -> None:
        self._kept = {m.object: m.value for m in verdict.measures} if verdict else {}

    def samples(self, row: str, object: str, since: timedelta) -> Any:
        kept: Any = self._kept.get(object)
        return () if kept is None else ((datetime.now(UTC) - timedelta(minutes=10), kept.value),)


def judged(
    check: Check, database: Database, *, past: Past | None = None, limit: Any = None, **settings: Any
) -> Verdict:
    """The verdict of a row on a real server; ``limit`` makes a moment long enough to be a breach."""
    row = of(check)
    threshold = row.threshold
    if limit is not None and threshold is not None:
        threshold = Threshold(limit, limit, threshold.unit, threshold.direction)
    given = Limits(threshold, {**row.settings, **settings})
    targets = {"database": database, "history": past or Past()}
    check(limits=given, **{name: targets[name] for name in row.targets})
    return given.verdict()


def of_ours(verdict: Verdict) -> State:
    """What the row says of the database itself."""
    return next(m.state for m in verdict.measures if m.object == "sep_muses")


def test_a_server_at_leisure(database: Database, admin: Connection) -> None:
    """No row is breached but that of autovacuum, which the tests' server has switched off."""
    for check in CHECKS:
        found = judged(check, database)
        expected = {State.OK, State.SKIPPED} if of(check).id != "DB-08" else {State.WARNING}
        assert found.state in expected, (of(check).id, str(found.summary))


def test_one_round_trip_tells_all_of_the_server(database: Database, admin: Connection) -> None:
    found = database.server()
    assert found.version == admin.info.server_version
    assert {c.database for c in found.counters} == {"", "postgres", "sep_muses", "template1"}
    assert found.checkpoints.timeout == timedelta(minutes=5)
    assert found.settings == ()
    assert timedelta(0) < found.took < timedelta(seconds=4)


@pytest.mark.usefixtures("admin")
def test_a_role_without_rights_is_blind(make_database: MakeDatabase, postgres: PostgresServer) -> None:
    stranger = make_database(reader=postgres.login("muses_stranger"), baseline={"work_mem": "4MB"})
    seen = {}
    for check in CHECKS:
        try:
            seen[of(check).id] = judged(check, stranger, least_bytes=0).state
        except ProbeError as error:
            seen[of(check).id] = error.kind
    assert set(seen.values()) <= {ProbeFailure.BLIND, State.UNKNOWN}, seen
    assert len(seen) == 20


def test_nobody_answers(make_database: MakeDatabase) -> None:
    assert judged(sessions.check_database_answers, make_database(port=1)).state is State.CRITICAL


def test_a_root_blocker_is_named_ended_and_gone(
    database: Database, postgres: PostgresServer, admin: Connection
) -> None:
    check = sessions.check_nobody_waits_long_for_a_lock
    with closing(postgres.session("candado")) as root, closing(postgres.session()) as waiter:
        root.execute(LOCK)
        with waiting(waiter, "UPDATE tbmu006_inscripcion SET activo = 'A'"):
            until(lambda: judged(check, database, limit=NOW).state is State.CRITICAL)
            assert judged(check, database).state is State.OK, "not for long"
            assert judged(check, database, limit=NOW).measures[0].object == "candado"
            given = Limits(Threshold(NOW, NOW))
            finding = sessions.somebody_holds_the_lock(database, given)
            (step,) = sessions.end_the_root_blocker({"somebody_holds_the_lock": finding})
            database.end_session(fingerprint=step.fingerprint, **step.arguments)
            until(lambda: judged(check, database, limit=NOW).state is State.OK)


def test_a_long_transaction(database: Database, postgres: PostgresServer, admin: Connection) -> None:
    check = sessions.check_no_transaction_is_long
    with closing(postgres.session("reporte")) as report, waiting(report, "SELECT pg_sleep(60)"):
        until(lambda: judged(check, database, limit=NOW).measures[0].object == "reporte")
        assert judged(check, database).state is State.OK


def test_one_that_is_forgotten_is_ended(database: Database, postgres: PostgresServer, admin: Connection) -> None:
    check = sessions.check_no_session_idles_in_a_transaction
    with closing(postgres.session("olvido")) as forgotten:
        forgotten.execute("BEGIN; SELECT 1")
        until(lambda: judged(check, database, limit=NOW).measures[0].object == "olvido")
        assert judged(check, database).state is State.OK
        given = Limits(Threshold(NOW, NOW), {"most_ended": 8})
        finding = sessions.transaction_is_forgotten(database, given)
        (step,) = sessions.end_forgotten_transactions({"transaction_is_forgotten": finding})
        database.end_session(fingerprint=step.fingerprint, **step.arguments)
        assert judged(check, database, limit=NOW).state is State.OK


def test_a_prepared_transaction(database: Database, admin: Connection) -> None:
    check = sessions.check_no_prepared_transaction_is_left
    admin.execute("BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'dos''fases'")
    try:
        assert judged(check, database).state is State.OK
        found = judged(check, database, limit=NOW)
    finally:
        admin.execute("ROLLBACK PREPARED 'dos''fases'")
    assert (found.state, found.measures[0].object) == (State.CRITICAL, "dos'fases")


def test_dead_rows_that_nobody_removes(database: Database, admin: Connection) -> None:
    admin.execute("CREATE TABLE muertas AS SELECT n FROM generate_series(1, 12000) AS n")
    admin.execute("DELETE FROM muertas")
    told(admin)
    until(
        lambda: "muses_dev.muertas" in {m.object for m in judged(upkeep.check_autovacuum_keeps_up, database).measures}
    )
    found = judged(upkeep.check_autovacuum_keeps_up, database)
    assert (found.state, found.measures[0].object) == (State.CRITICAL, "muses_dev.muertas")
    finding = upkeep.cleaning_is_hindered(database)
    assert str(finding.summary) == "Autovacuum is switched off"


def test_a_bloated_table(database: Database, admin: Connection) -> None:
    """Within a tenth of what is true, which is known here: nine rows of ten were removed."""
    check = upkeep.check_no_table_is_bloated
    admin.execute("CREATE TABLE ancha AS SELECT n, repeat('x', 60) AS words FROM generate_series(1, 20000) AS n")
    assert judged(check, database, least_bytes=1 << 20).state is State.UNKNOWN, "nobody has analysed it"
    admin.execute("GRANT SELECT ON ancha TO muses_reader; ANALYZE ancha")
    assert judged(check, database, least_bytes=1 << 20).state is State.OK
    admin.execute("DELETE FROM ancha WHERE n % 10 <> 0")
    admin.execute("VACUUM ANALYZE ancha")
    found = judged(check, database, least_bytes=1 << 20)
    value: Any = found.measures[0].value
    assert (found.state, found.measures[0].object) == (State.CRITICAL, "ancha")
    assert value.value == pytest.approx(90, abs=5)


def test_sequences_by_what_their_column_can_hold(database: Database, admin: Connection) -> None:
    check = upkeep.check_no_sequence_runs_out
    admin.execute("""
        CREATE TABLE grande (id int NOT NULL);
        CREATE SEQUENCE grande_id_seq AS bigint OWNED BY grande.id;
        CREATE SEQUENCE gira AS smallint CYCLE;
        CREATE SEQUENCE baja AS smallint INCREMENT -1;
        GRANT SELECT ON ALL SEQUENCES IN SCHEMA muses_dev TO muses_reader;
        SELECT setval('grande_id_seq', 1900000000), setval('gira', 32767), setval('baja', -32000)""")
    found = judged(check, database)
    assert [(m.object, m.state) for m in found.measures[:2]] == [
        ("baja", State.CRITICAL),
        ("grande_id_seq", State.WARNING),
    ]
    assert str(found.measures[1].summary) == (
        "grande_id_seq has used 88.5% of what its column can hold: 247,483,647 left"
    )
    admin.execute("ALTER TABLE grande ALTER id TYPE bigint; SELECT setval('baja', -1)")
    assert judged(check, database).state is State.OK
    admin.execute("REVOKE ALL ON SEQUENCE baja FROM muses_reader")
    blind = judged(check, database)
    assert (blind.state, str(blind.summary)) == (
        State.UNKNOWN,
        "baja: GRANT SELECT ON ALL SEQUENCES, see muses-runbook grants",
    )


def test_an_abandoned_slot(database: Database, admin: Connection) -> None:
    check = replication.check_no_slot_is_abandoned
    admin.execute("SELECT pg_create_physical_replication_slot('abandonada', true)")
    try:
        assert judged(check, database, patience=NOW).state is State.WARNING
        assert judged(check, database, limit=-1).state is State.CRITICAL
    finally:
        admin.execute("SELECT pg_drop_replication_slot('abandonada')")
    assert judged(check, database).state is State.OK


def _deadlock(postgres: PostgresServer) -> None:
    """Two that want each other's row."""
    with ExitStack() as held:
        one, other = (held.enter_context(closing(postgres.admin())) for _ in range(2))
        for session, row in ((one, 1), (other, 2)):
            session.execute("SET deadlock_timeout = '10ms'; BEGIN")
            session.execute("SELECT pg_advisory_xact_lock(%s)", [row])
        with waiting(one, "SELECT pg_advisory_xact_lock(2)"):
            until(lambda: postgres_waits(postgres))
            with suppress(errors.DeadlockDetected):
                other.execute("SELECT pg_advisory_xact_lock(1)")
            other.execute("ROLLBACK")
        told(other)


def postgres_waits(postgres: PostgresServer) -> bool:
    with closing(postgres.admin()) as admin:
        return bool(admin.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall())


def _rollbacks(postgres: PostgresServer) -> None:
    with closing(postgres.admin()) as session:
        for _ in range(20):
            session.execute("BEGIN; SELECT 1; ROLLBACK")
        told(session)


def _sort(postgres: PostgresServer) -> None:
    with closing(postgres.admin()) as session:
        session.execute("SET work_mem = '64kB'")
        session.execute("SELECT count(*) FROM (SELECT n FROM generate_series(1, 50000) AS n ORDER BY -n OFFSET 0) AS o")
        told(session)


@pytest.mark.parametrize(
    ("check", "do", "limit", "settings"),
    [
        (rates.check_deadlocks_are_rare, _deadlock, None, {}),
        (rates.check_few_transactions_roll_back, _rollbacks, 1, {"least_transactions": 10}),
        (rates.check_little_goes_through_temporary_files, _sort, 1 << 20, {}),
    ],
    ids=["DB-15", "DB-16", "DB-17"],
)
def test_what_happens_too_often(
    check: Check,
    do: Callable[[PostgresServer], None],
    limit: Any,
    settings: Any,
    database: Database,
    postgres: PostgresServer,
    admin: Connection,
) -> None:
    before = judged(check, database)
    assert before.state is State.SKIPPED, "the first look"
    do(postgres)
    until(lambda: of_ours(judged(check, database, past=Past(before), limit=limit, **settings)) is not State.OK)
    after = judged(check, database)
    assert of_ours(judged(check, database, past=Past(after), limit=limit and limit * 99, **settings)) is State.OK


def test_checkpoints_that_somebody_asks_for(database: Database, admin: Connection) -> None:
    check = rates.check_checkpoints_come_by_the_clock
    before = judged(check, database)
    for _ in range(3):
        admin.execute("CHECKPOINT")
    until(lambda: judged(check, database, past=Past(before), least_checkpoints=3).state is State.CRITICAL)
    assert judged(check, database, past=Past(before)).state is State.OK, "too few to tell"


def test_the_sites_baseline_and_what_waits_for_a_restart(make_database: MakeDatabase, admin: Connection) -> None:
    database = make_database(baseline={"max_connections": "30", "work_mem": "4096kB", "fsync": "on"})
    found = judged(configuration.check_settings_are_as_declared, database)
    assert [(m.object, m.state) for m in found.measures] == [
        ("fsync", State.WARNING),
        ("max_connections", State.OK),
        ("work_mem", State.OK),
    ]
    admin.execute("ALTER SYSTEM SET shared_buffers = '17MB'")
    admin.execute("SELECT pg_reload_conf()")
    check = configuration.check_no_setting_waits_for_a_restart
    try:
        until(lambda: judged(check, database).state is State.WARNING)
    finally:
        admin.execute("ALTER SYSTEM RESET shared_buffers")
        admin.execute("SELECT pg_reload_conf()")
    until(lambda: judged(check, database).state is State.OK)


@pytest.fixture(scope="module", params=installations())
def broken(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A server with a page that is wrong, an archive that fails, and 400 million transactions behind it."""
    with broken_server(installations()[request.param]) as server:
        yield server


@pytest.fixture
def broken_database(broken: PostgresServer) -> Iterator[Database]:
    with closing(Database("database", broken.settings(), environment="lab", timezone="UTC")) as database:
        yield database


class TestBroken:
    """What cannot be broken and mended while the server runs."""

    def test_a_wrong_page(self, broken_database: Database, broken: PostgresServer) -> None:
        check = upkeep.check_no_page_is_corrupt
        assert judged(check, broken_database).state is State.OK, "nobody has read it"
        with closing(broken.admin()) as admin:
            with pytest.raises(psycopg.errors.DataCorrupted):
                admin.execute("SELECT count(*) FROM dañada")
            told(admin)
        until(lambda: judged(check, broken_database).state is State.CRITICAL)
        assert judged(check, broken_database).measures[0].object == "sep_muses"

    def test_an_archive_that_fails(self, broken_database: Database, broken: PostgresServer) -> None:
        check = replication.check_wal_archive_keeps_up
        with closing(broken.admin()) as admin:
            admin.execute("CREATE TABLE algo (n int)")
            admin.execute("SELECT pg_switch_wal()")
        until(lambda: judged(check, broken_database).state is State.WARNING)
        assert "The archive fails" in str(judged(check, broken_database).summary)
        assert judged(check, broken_database, limit=0).state is State.CRITICAL, "one segment waits"

    def test_transaction_numbers(self, broken_database: Database) -> None:
        check = upkeep.check_transaction_numbers_do_not_run_out
        found = judged(check, broken_database)
        assert found.state is State.WARNING
        assert "transactions old (xid)" in str(found.summary)
        finding = upkeep.somebody_holds_the_rows(broken_database)
        assert str(finding.summary) == "Autovacuum is switched off"
