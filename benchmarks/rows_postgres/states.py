"""States of a server, made and taken away again: what each one breaks is judged by all contestants."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import psycopg

from tests.runbook.targets.servers_postgres import Connection, PostgresServer, standby_of, until

#: Longer than the limit of a second, also for those who cut seconds off and look for more than one.
HELD = 2.6
State = Callable[[PostgresServer], "Iterator[None]"]


@contextmanager
def at_leisure(server: PostgresServer) -> Iterator[None]:
    """Nothing is wrong."""
    yield


def connections(count: int) -> State:
    """So many sessions that do nothing."""

    @contextmanager
    def held(server: PostgresServer) -> Iterator[None]:
        with ExitStack() as open_:
            for _ in range(count):
                open_.enter_context(closing(server.session()))
            yield

    return held


@contextmanager
def at_work(server: PostgresServer, application: str = "reporte") -> Iterator[None]:
    """A statement that has run for longer than the limit."""
    with closing(server.session(application)) as session:

        def run() -> None:
            with suppress(psycopg.Error):
                session.execute("SELECT pg_sleep(60)")

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        time.sleep(HELD)
        yield
        session.cancel_safe()
        thread.join(5)


@contextmanager
def dumping(server: PostgresServer) -> Iterator[None]:
    """A dump that takes its time."""
    with at_work(server, "pg_dump"):
        yield


@contextmanager
def idle(server: PostgresServer) -> Iterator[None]:
    """A transaction that somebody forgot."""
    with closing(server.session("olvido")) as session:
        session.execute("BEGIN; SELECT 1")
        time.sleep(HELD)
        yield


@contextmanager
def busy_then_idle(server: PostgresServer) -> Iterator[None]:
    """An old transaction that does something all the time."""
    with closing(server.session("constante")) as session:
        session.execute("BEGIN; SELECT 1")
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(0.2):
                session.execute("SELECT 1")

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        time.sleep(HELD)
        yield
        ended.set()
        thread.join(5)


@contextmanager
def prepared(server: PostgresServer) -> Iterator[None]:
    """A transaction that waits for its manager."""
    with closing(server.admin()) as admin:
        admin.execute("BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'olvidada'")
        time.sleep(HELD)
        try:
            yield
        finally:
            admin.execute("ROLLBACK PREPARED 'olvidada'")


def done(before: str, after: str) -> State:
    """What a superuser does to the schema, and how it is undone; statements are separated by a bar."""

    @contextmanager
    def changed(server: PostgresServer) -> Iterator[None]:
        with closing(server.admin()) as admin:
            _each(admin, before)
            try:
                yield
            finally:
                _each(admin, after)
                time.sleep(0.2)  # a reload reaches the sessions

    return changed


def _each(admin: Connection, statements: str) -> None:
    admin.execute("SET search_path TO muses_dev, public")
    for statement in statements.split("|"):
        with suppress(psycopg.errors.UniqueViolation):  # what makes an index invalid
            admin.execute(statement)
    if admin.info.server_version >= 150000:
        admin.execute("SELECT pg_stat_force_next_flush()")
        admin.execute("SELECT 1")


@contextmanager
def behind(server: PostgresServer) -> Iterator[None]:
    """A standby that does not replay what it gets."""
    late = "SELECT FROM pg_stat_replication WHERE pg_current_wal_lsn() - replay_lsn > 2000000"
    with (
        standby_of(server, slot="seguidora", cluster_name="seguidora") as follower,
        closing(server.admin()) as admin,
        closing(follower.admin()) as standby,
    ):
        until(lambda: admin.execute("SELECT FROM pg_stat_replication WHERE state = 'streaming'").fetchall(), 20)
        standby.execute("SELECT pg_wal_replay_pause()")
        admin.execute("CREATE TABLE unseen AS SELECT n, repeat('x', 100) FROM generate_series(1, 30000) AS n")
        until(lambda: admin.execute(late).fetchall(), 20)
        yield
    with closing(server.admin()) as admin:
        admin.execute("DROP TABLE unseen")
        until(lambda: not admin.execute("SELECT FROM pg_replication_slots WHERE active").fetchall(), 20)
        admin.execute("SELECT pg_drop_replication_slot('seguidora')")


@contextmanager
def read_wrong_page(server: PostgresServer) -> Iterator[None]:
    """Somebody has read the page that is wrong, and several segments wait for an archive that fails."""
    with closing(server.admin()) as admin:
        for _ in range(12):
            admin.execute("SELECT pg_logical_emit_message(true, 'x', 'x'), pg_switch_wal()")
        with suppress(psycopg.errors.DataCorrupted):
            admin.execute('SELECT count(*) FROM "dañada"')
        _each(admin, "SELECT 1")
        time.sleep(HELD)
    yield


BLOAT = (
    "CREATE TABLE ancha AS SELECT n, repeat('x', 60) AS words FROM generate_series(1, 40000) AS n"
    "|GRANT SELECT ON ancha TO muses_reader|DELETE FROM ancha WHERE n % 10 <> 0|VACUUM ANALYZE ancha"
)
FULL = (
    "CREATE TABLE grande (id int NOT NULL)|CREATE SEQUENCE grande_seq AS bigint OWNED BY grande.id"
    "|GRANT SELECT ON ALL SEQUENCES IN SCHEMA muses_dev TO muses_reader|SELECT setval('grande_seq', {value})"
)
INVALID = (
    "INSERT INTO tbae002_bajas (uuid, curp, id_estatus_procesamiento) VALUES ('1', 'x', 3), ('2', 'x', 3)"
    "|CREATE UNIQUE INDEX CONCURRENTLY doble ON tbae002_bajas (curp)"
)
ROLLBACKS = "|".join(["BEGIN|SELECT 1|ROLLBACK"] * 60)
RELOAD = "|SELECT pg_reload_conf()"
LOST = (
    "SELECT pg_create_physical_replication_slot('rota', true)|ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'"
    + RELOAD
    + "|SELECT pg_sleep(0.2)"
    + "|SELECT pg_logical_emit_message(true, 'x', 'x')|SELECT pg_switch_wal()" * 8
    + "|CHECKPOINT"
)
SORT = (
    "SET work_mem = '64kB'"
    "|SELECT count(*) FROM (SELECT n FROM generate_series(1, 300000) AS n ORDER BY -n OFFSET 0) AS o"
)

#: What is done, how, and which rows it is about; None stands for all.
STATES: tuple[tuple[str, State, tuple[str, ...] | None], ...] = (
    ("at leisure", at_leisure, None),
    ("82 % of the connections", connections(22), ("DB-01",)),
    ("93 % of the connections", connections(25), ("DB-01",)),
    ("a long statement", at_work, ("DB-04", "DB-05")),
    ("a long dump", dumping, ("DB-04",)),
    ("idle in a transaction", idle, ("DB-04", "DB-05")),
    ("an old transaction, idle for a moment", busy_then_idle, ("DB-05",)),
    ("a prepared transaction", prepared, ("DB-06",)),
    ("a table bloated to 90 %", done(BLOAT, "DROP TABLE ancha"), ("DB-09",)),
    ("a sequence at 88 % of its column", done(FULL.format(value=1_900_000_000), "DROP TABLE grande"), ("DB-10",)),
    ("a sequence at 96 % of its column", done(FULL.format(value=2_070_000_000), "DROP TABLE grande"), ("DB-10",)),
    ("a sequence that begins anew", done(
        "CREATE SEQUENCE gira AS smallint CYCLE|GRANT SELECT ON gira TO muses_reader|SELECT setval('gira', 32000)",
        "DROP SEQUENCE gira",
    ), ("DB-10",)),
    ("an abandoned slot, little kept", done(
        "SELECT pg_create_physical_replication_slot('vieja', true)", "SELECT pg_drop_replication_slot('vieja')"
    ), ("DB-13",)),
    ("a slot that has lost WAL", done(
        LOST, "SELECT pg_drop_replication_slot('rota')|ALTER SYSTEM RESET max_slot_wal_keep_size" + RELOAD
    ), ("DB-13",)),
    ("a standby behind", behind, ("DB-12", "DB-13")),
    ("rollbacks", done(ROLLBACKS, "SELECT 1"), ("DB-16",)),
    ("temporary files", done(SORT, "RESET work_mem"), ("DB-17",)),
    ("a setting changed", done(
        "ALTER SYSTEM SET work_mem = '5MB'" + RELOAD + "|SELECT pg_sleep(0.2)", "ALTER SYSTEM RESET work_mem" + RELOAD
    ), ("DB-19",)),
    ("a setting that waits for a restart", done(
        "ALTER SYSTEM SET shared_buffers = '17MB'" + RELOAD + "|SELECT pg_sleep(0.2)",
        "ALTER SYSTEM RESET shared_buffers" + RELOAD,
    ), ("DB-20",)),
    ("an invalid index", done(INVALID, "DROP INDEX doble|TRUNCATE tbae002_bajas"), ("INDEX-02",)),
)  # fmt: skip
#: Of a server that is broken in its files.
BROKEN: tuple[tuple[str, State, tuple[str, ...] | None], ...] = (
    ("400 M transactions, a wrong page read, an archive that fails", read_wrong_page, ("DB-07", "DB-11", "DB-14")),
)
