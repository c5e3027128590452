"""What the database waits for and whether its upkeep keeps up: real sessions, slots and a standby of a real server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta

import psycopg
import pytest

from checks import _overload
from checks.etl import check_etl_latency
from checks.replication import check_standbys_keep_up
from runbook.errors import ProbeError, ProbeFailure
from runbook.model import Finding, Proof, State
from runbook.targets.postgres.database import Database
from runbook.targets.postgres.load_structs import Load
from tests.checks import fakes
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.postgres.test_activity import LOCK, named, waiting
from tests.runbook.targets.servers_postgres import Connection, PostgresServer, standby_of, until

SPAN = timedelta(milliseconds=300)
BUSY = "DO $$ BEGIN FOR n IN 1..1000000 LOOP PERFORM md5(n::text); END LOOP; END $$"
PROBES = ("load", "vacuuming", "horizon", "replication")
READ: dict[str, Callable[[Database], object]] = {
    "load": lambda database: database.load(SPAN),
    "vacuuming": Database.vacuuming,
    "horizon": Database.horizon,
    "replication": Database.replication,
}


@contextmanager
def at_work(postgres: PostgresServer, application: str, statement: str, sessions: int = 1) -> Iterator[None]:
    """Sessions that run a statement again and again."""
    ended = threading.Event()

    def run(session: Connection) -> None:
        with suppress(psycopg.Error):
            while not ended.is_set():
                session.execute(statement)

    with ExitStack() as open_:
        made = [open_.enter_context(closing(postgres.session(application))) for _ in range(sessions)]
        threads = [threading.Thread(target=run, args=(session,), daemon=True) for session in made]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for session, thread in zip(made, threads, strict=True):
                session.cancel_safe()
                thread.join(5)


def told(session: Connection) -> None:
    """Let a session tell its counters now; by itself it does so once a second, and when it is asked again."""
    if session.info.server_version >= 150000:
        session.execute("SELECT pg_stat_force_next_flush()")
        session.execute("SELECT 1")


class TestWaits:
    """Several looks at what the sessions at work wait for."""

    def seen(self, database: Database, application: str) -> set[tuple[str, str]]:
        return {(s.kind, s.event) for s in database.load(SPAN).waits.shares if s.application == application}

    def test_what_is_waited_for_is_told_by_application_and_statement(
        self, database: Database, postgres: PostgresServer
    ) -> None:
        with ExitStack() as held:
            root = held.enter_context(closing(postgres.session("raiz")))
            behind = held.enter_context(closing(postgres.session("detras")))
            root.execute(LOCK)
            statement = "UPDATE tbmu006_inscripcion SET activo = 'B'"
            held.enter_context(waiting(behind, statement))
            until(lambda: named(database, "detras").blocked_by)
            held.enter_context(at_work(postgres, "duerme", "SELECT pg_sleep(30)"))
            held.enter_context(at_work(postgres, "calcula", BUSY, 2))
            until(lambda: named(database, "duerme").wait_event == "PgSleep")
            found = database.load(SPAN).waits
            root.execute("ROLLBACK")
        by_wait = {(s.application, s.kind, s.event): s for s in found.shares}
        lock = by_wait["detras", "Lock", "relation"]
        assert (lock.sessions, lock.role) == (1.0, "muses_app")
        assert lock.query == "UPDATE tbmu006_inscripcion SET activo = $1"
        assert by_wait["duerme", "Timeout", "PgSleep"].sessions == 1.0
        computing = sum(s.sessions for s in found.shares if (s.application, s.kind) == ("calcula", "CPU"))
        assert 1.0 <= computing <= 2.0
        assert found.sessions == pytest.approx(sum(s.sessions for s in found.shares))
        assert found.span >= SPAN
        assert not {"raiz", "muses-runbook"} & {s.application for s in found.shares}

    def test_one_that_waits_for_its_client_is_no_work(self, database: Database, postgres: PostgresServer) -> None:
        with closing(postgres.session("copia")) as session:
            session.pgconn.send_query(b"COPY ctmu009_subsistema FROM STDIN")
            until(lambda: self.seen(database, "copia") == {("Client", "ClientRead")})

    def test_an_idle_server_shows_nothing(self, database: Database) -> None:
        waits = database.load(SPAN).waits
        assert (waits.sessions, waits.shares, waits.hidden) == (0.0, (), 0)

    def test_sessions_that_are_not_tracked_are_counted(self, database: Database, postgres: PostgresServer) -> None:
        with closing(postgres.admin()) as session:
            session.execute("SET track_activities TO off")
            assert database.load(SPAN).waits.hidden == 1


class TestThroughput:
    """The counters around a look."""

    def load(self, database: Database, session: Connection, statement: str) -> Load:
        """A look during which the statement was run and told: a session tells once a second, or when it is asked."""
        from runbook.targets.postgres import waiting as waits

        ran = iter((True,))

        def pause(seconds: float) -> None:
            if next(ran, False):
                session.execute(statement)
                told(session)

        with database._connections.reader() as reader:
            return waits.load(reader, SPAN, pause)

    def test_temporary_files_wal_and_the_cache(self, database: Database, postgres: PostgresServer) -> None:
        with closing(postgres.admin()) as session:
            session.execute("SET work_mem TO '64kB'; SET search_path TO muses_dev; CREATE TABLE written (n bigint)")
            spills = (
                "WITH put AS (INSERT INTO written SELECT * FROM generate_series(1, 20000) RETURNING n)"
                " SELECT count(*) FROM (SELECT n FROM put ORDER BY -n OFFSET 0) AS sorted"
            )
            found = self.load(database, session, spills).throughput
        assert found.temp_files >= 1
        assert found.temp_bytes > 100_000
        assert found.wal_bytes > 1_000_000
        assert found.transactions >= 1
        assert found.hit_percent is not None
        assert 50 <= found.hit_percent <= 100
        assert found.total_temp_bytes >= found.temp_bytes

    def test_checkpoints_are_counted_by_their_reason(self, database: Database, admin: Connection) -> None:
        before = database.load(SPAN).checkpoints
        admin.execute("CHECKPOINT")
        until(lambda: database.load(timedelta(0)).checkpoints.requested == before.requested + 1)
        found = database.load(timedelta(0)).checkpoints
        assert found.timed == before.timed
        assert found.last_at > before.last_at
        assert timedelta(0) <= found.now - found.last_at < timedelta(minutes=1)
        assert found.apart is not None
        assert (found.timeout, found.max_wal_size) == (timedelta(minutes=5), 1 << 30)


class TestVacuuming:
    """Dead rows against the thresholds; autovacuum is off in the tests' server."""

    def test_dead_rows_are_held_against_the_tables_own_threshold(self, database: Database, admin: Connection) -> None:
        admin.execute("""
            CREATE TABLE plain (n int);
            CREATE TABLE patient (n int) WITH (autovacuum_vacuum_threshold = 100000);
            CREATE TABLE left_alone (n int) WITH (autovacuum_enabled = false, autovacuum_vacuum_scale_factor = 0);
            INSERT INTO plain SELECT generate_series(1, 1000);
            INSERT INTO patient SELECT generate_series(1, 1000);
            INSERT INTO left_alone SELECT generate_series(1, 1000)""")
        told(admin)
        admin.execute("VACUUM ANALYZE plain")
        for table in ("plain", "patient", "left_alone"):
            admin.execute(f"DELETE FROM {table} WHERE n <= 700")
        told(admin)

        def debts() -> dict[str, object]:
            return {debt.table: debt for debt in database.vacuuming().debts if debt.schema == "muses_dev"}

        until(lambda: {"plain", "left_alone"} <= set(debts()))
        found = database.vacuuming()
        assert (found.enabled, found.counted, found.most_workers, found.busy) == (False, True, 3, 0)
        assert "patient" not in debts()
        (plain,) = [debt for debt in found.debts if debt.table == "plain"]
        assert (plain.dead, plain.live, plain.enabled) == (700, 300, True)
        assert plain.threshold == 50 + 0.2 * 1000
        assert plain.last is not None
        (alone,) = [debt for debt in found.debts if debt.table == "left_alone"]
        assert (alone.threshold, alone.enabled, alone.last) == (50.0, False, None)

    def test_a_vacuum_that_waits_for_a_lock_names_who_blocks_it(
        self, database: Database, postgres: PostgresServer
    ) -> None:
        with closing(postgres.session("candado")) as root, closing(postgres.session(role="muses_operator")) as vacuum:
            root.execute(LOCK)
            with waiting(vacuum, "VACUUM tbmu006_inscripcion"):
                until(lambda: named(database, "servicio").blocked_by)
                (blocker,) = database.blockers()
                assert blocker.session.application == "candado"
                assert blocker.behind[0].wants == "ShareUpdateExclusiveLock tbmu006_inscripcion"
                root.execute("ROLLBACK")


class TestFrozenAges:
    """The way to the end of the transaction numbers."""

    def test_each_database_by_transactions_and_multixacts(self, database: Database, admin: Connection) -> None:
        found = {(age.database, age.kind): age for age in database.frozen_ages()}
        ours = found["sep_muses", "xid"]
        row = admin.execute(
            "SELECT age(datfrozenxid) AS age, mxid_age(datminmxid) AS multixacts FROM pg_database"
            " WHERE datname = 'sep_muses'"
        ).fetchone()
        assert row is not None
        assert 0 <= row["age"] - ours.age <= 5
        assert found["sep_muses", "multixact"].age == row["multixacts"]
        assert (ours.freezes_at, ours.stops_at) == (200_000_000, 2_144_483_647)
        assert found["sep_muses", "multixact"].freezes_at == 400_000_000

    def test_the_pace_is_from_the_last_checkpoint_on(
        self, database: Database, admin: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from runbook.targets.postgres import upkeep

        admin.execute("CHECKPOINT")
        assert {age.per_second for age in database.frozen_ages()} == {None}
        monkeypatch.setattr(upkeep, "LEAST_PACE", timedelta(0))
        admin.execute("CREATE TABLE rows_ (n int PRIMARY KEY); INSERT INTO rows_ VALUES (1)")
        with closing(psycopg.connect(admin.info.dsn, autocommit=True)) as other:
            for _ in range(20):
                other.execute("SELECT pg_current_xact_id()")
        found = {age.kind: age for age in database.frozen_ages() if age.database == "sep_muses"}
        counted = {kind: age.per_second * age.paced_over.total_seconds() for kind, age in found.items()}  # type: ignore[operator]
        assert 20 <= counted["xid"] <= 40
        assert counted["multixact"] == pytest.approx(0)
        assert found["xid"].left is not None
        assert found["multixact"].left is None


class TestHorizon:
    """Who keeps dead rows."""

    def test_a_session_and_a_prepared_transaction(self, database: Database, postgres: PostgresServer) -> None:
        with closing(postgres.session("lector")) as reading, closing(postgres.session("dos-fases")) as writing:
            reading.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            reading.execute("SELECT 'XEXX010101HNEXXXA4' FROM ctmu009_subsistema")
            writing.execute("BEGIN")
            writing.execute("SELECT pg_current_xact_id()")
            writing.execute("PREPARE TRANSACTION 'olvidada'")
            try:
                for _ in range(5):
                    writing.execute("SELECT pg_current_xact_id()")
                found = {holder.name: holder for holder in database.horizon()}
                pid = reading.info.backend_pid
            finally:
                writing.execute("ROLLBACK PREPARED 'olvidada'")
        session, prepared = found["lector"], found["olvidada"]
        assert (session.kind, session.pid, session.database) == ("session", pid, "sep_muses")
        assert session.query == "SELECT $1 FROM ctmu009_subsistema"
        assert session.since is not None
        assert (prepared.kind, prepared.pid, prepared.role) == ("prepared transaction", None, "muses_app")
        assert session.age >= prepared.age >= 5
        assert "muses-runbook" not in found

    def test_nobody_holds_it_in_an_idle_server(self, database: Database) -> None:
        assert database.horizon() == ()


class TestReplication:
    """Slots and standbys."""

    def test_an_inactive_slot_keeps_the_wal(self, database: Database, admin: Connection) -> None:
        admin.execute("SELECT pg_create_physical_replication_slot('abandonada', true)")
        try:
            admin.execute("SELECT pg_switch_wal()")
            (slot,) = database.replication().slots
        finally:
            admin.execute("SELECT pg_drop_replication_slot('abandonada')")
        assert (slot.name, slot.kind, slot.active, slot.wal_status) == ("abandonada", "physical", False, "reserved")
        assert slot.kept_bytes is not None
        assert slot.kept_bytes > 0
        assert slot.safe_bytes is None
        assert (slot.inactive_for is not None) == (admin.info.server_version >= 170000)

    def test_a_limit_on_what_a_slot_keeps(self, database: Database, admin: Connection) -> None:
        admin.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'")
        admin.execute("SELECT pg_reload_conf(), pg_create_physical_replication_slot('limitada', true)")
        try:
            until(lambda: database.replication().kept_at_most == 64 << 20)
            (slot,) = database.replication().slots
            assert slot.safe_bytes is not None
            assert slot.safe_bytes > 0
        finally:
            admin.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
            admin.execute("SELECT pg_reload_conf(), pg_drop_replication_slot('limitada')")

    def test_a_standby_and_its_feedback(
        self, database: Database, make_database: MakeDatabase, postgres: PostgresServer, admin: Connection
    ) -> None:
        settings = {"wal_receiver_status_interval": "1s", "hot_standby_feedback": "on", "cluster_name": "seguidora"}
        with standby_of(postgres, slot="seguidora", **settings) as server, closing(server.admin()) as standby:
            until(lambda: [s.replay_bytes for s in database.replication().standbys] == [0], patience=20)
            standby.execute("SELECT pg_wal_replay_pause()")
            admin.execute("CREATE TABLE unseen AS SELECT generate_series(1, 1000)")
            until(lambda: (database.replication().standbys[0].replay_bytes or 0) > 10_000)
            found = database.replication()
            wanted = make_database(standbys=("una", "otra"))
            kept = [
                fakes.judged(check_standbys_keep_up, database=target, settings=settings).state
                for target, settings in ((database, {}), (database, {"bytes_critical": 10_000}), (wanted, {}))
            ]
            holders = {holder.kind: holder for holder in database.horizon()}
            there = make_database(port=server.port)
            with pytest.raises(ProbeError) as caught:
                there.vacuuming()
            assert there.replication().standbys == ()
            assert there.load(timedelta(0)).throughput.wal_bytes >= 0
            standby.execute("SELECT pg_wal_replay_resume()")
            until(lambda: database.replication().standbys[0].replay_bytes == 0)
        (behind,) = found.standbys
        (slot,) = found.slots
        assert (behind.application, behind.state, behind.slot) == ("seguidora", "streaming", "seguidora")
        assert kept == [State.OK, State.CRITICAL, State.CRITICAL]
        assert behind.sent_bytes == 0
        assert (slot.active, slot.name) == (True, "seguidora")
        assert holders["slot"].name == "seguidora", "the feedback of one with a slot is held by the slot"
        assert caught.value.kind is ProbeFailure.ABSENT
        admin.execute("SELECT pg_drop_replication_slot('seguidora')")


class TestConclusion:
    """What the cause "overload" makes of a real server."""

    def found(self, database: Database, **settings: float) -> Finding:
        return _overload.overloaded(_overload.look(database), fakes.limits(check_etl_latency, **settings))

    def test_the_application_and_the_statement_that_compute_are_named(
        self, database: Database, postgres: PostgresServer
    ) -> None:
        statement = "SELECT sum(n) FROM generate_series(1, 3000000) AS n"
        with at_work(postgres, "reporte:replica-1", statement), at_work(postgres, "reporte:replica-2", statement):
            found = self.found(database, at_work=1)
        assert found.proof is Proof.CONFIRMED
        assert "reporte is 100% of that" in str(found.summary)
        assert "SELECT sum(n) FROM generate_series($1, $2) AS n" in str(found.summary)

    def test_a_table_that_nobody_cleans(self, database: Database, admin: Connection) -> None:
        admin.execute(
            "INSERT INTO tbae002_bajas (uuid, id_estatus_procesamiento) SELECT n, 3 FROM generate_series(1, 12000) AS n"
        )
        admin.execute("DELETE FROM tbae002_bajas WHERE uuid <> '1'")
        told(admin)
        until(lambda: [debt for debt in database.vacuuming().debts if debt.table == "tbae002_bajas"])
        found = self.found(database)
        assert str(found.summary) == (
            "tbae002_bajas has 11999 rows that are dead beside 1 rows: autovacuum is switched off for it"
        )

    def test_a_server_at_leisure(self, database: Database) -> None:
        assert self.found(database).proof is Proof.RULED_OUT
