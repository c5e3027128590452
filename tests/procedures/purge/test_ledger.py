"""What the purge remembers: who may go on with it, and who must not touch it any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest

from procedures.purge import batches, outlook, running
from procedures.purge.batches import Task
from procedures.purge.ledger import Ledger
from procedures.purge.ledger_structs import Batch, Fenced
from procedures.purge.selection import Rules
from runbook.errors import LockError
from runbook.targets.postgres.working import working
from runbook.text import text
from tests.procedures.purge.ground import LEDGER, Ground
from tests.procedures.purge.making import DROPOUTS, at, deleted, keys, looked, record, stopped
from tests.runbook.targets.servers_postgres import SCHEMA, until

pytestmark = pytest.mark.usefixtures("unguarded")

RULES = Rules(schema=SCHEMA, cutoffs={DROPOUTS: "2025-01-01 00:00:00"}, statuses=(3,))


@contextmanager
def ledger_of(ground: Ground, schema: str = LEDGER) -> Iterator[Ledger]:
    """A ledger with its tables, in autocommit, as the operator."""
    access = outlook.place_of(ground.site).access
    with working(access, "purge") as connection:
        ledger = Ledger(connection, schema)
        if not ledger.exists():
            ledger.found(access.settings.reader.user)
        yield ledger


class TestFencing:
    """An epoch is of one process: whoever comes later fences off all before."""

    def test_whoever_takes_over_waits_for_what_is_in_flight_and_nothing_comes_after_it(self, ground: Ground) -> None:
        for uuid in "abc":
            record(ground.admin, uuid)
        before = ground.tables()
        taker = threading.Thread(target=_taking_over(ground))

        def take_over() -> None:
            taker.start()
            until(lambda: _waiters(ground))

        with (
            at("rows deleted, before commit", take_over),
            at("chunk committed", taker.join),
            pytest.raises(Fenced),
        ):
            running.purge(ground.changed(chunk_rows=1))
        assert len(keys(ground.admin)) == 2
        assert [(b["deleted"], b["position"]) for b in ground.batches()] == [(1, 1)]
        ground.nothing_lost(before)
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 3}

    def test_whoever_takes_over_outwaits_one_that_waits_itself(self, ground: Ground) -> None:
        """Bug: both gave up on a lock after as long, the fence came down first, and the old one went on for minutes."""
        raised: list[psycopg.Error] = []

        def take_over() -> None:
            try:
                ledger.connection.execute("SET lock_timeout = '1ms'")
                with ledger.connection.transaction():
                    ledger.take_over("r1")
            except psycopg.Error as error:
                raised.append(error)

        with ledger_of(ground) as ledger, ledger_of(ground) as old:
            batch = _planned(ledger)
            taker = threading.Thread(target=take_over)
            with old.connection.transaction():
                old.locked(batch)
                taker.start()
                until(lambda: _waiters(ground) or raised)
            taker.join()
            assert not raised
            with pytest.raises(Fenced):
                old.waits(batch, text("pg_dump is running"))

    @pytest.mark.parametrize("milestone", ["batch claimed", "manifest written", "chunk begun"])
    def test_the_old_ones_next_transaction_is_refused(self, ground: Ground, milestone: str) -> None:
        record(ground.admin, "a")
        before = ground.tables()
        with at(milestone, _taking_over(ground)), pytest.raises(Fenced, match="taken over"):
            running.purge(ground.site)
        assert ground.tables() == before
        assert {batch["deleted"] for batch in ground.batches()} == {0}
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}
        ground.nothing_lost(before)

    def test_every_kind_of_progress_is_fenced(self, ground: Ground) -> None:
        with ledger_of(ground) as ledger:
            old = _planned(ledger)
            run = ledger.take_over("r1")
            (new,) = ledger.batches(run, DROPOUTS)
            assert (old.epoch, new.epoch) == (1, 2)
            with pytest.raises(Fenced), ledger.connection.transaction():
                ledger.locked(old)
            with pytest.raises(Fenced):
                ledger.waits(old, text("pg_dump is running"))
            with ledger.connection.transaction():
                assert ledger.locked(new) == new

    def test_a_finished_batch_stays_as_it_is(self, ground: Ground) -> None:
        with ledger_of(ground) as ledger:
            batch = _planned(ledger)
            ledger.done(batch)
            run = ledger.take_over("r1")
            assert [(b.epoch, b.state) for b in ledger.batches(run, DROPOUTS)] == [(1, "DONE")]

    def test_an_end_by_whom_the_run_was_taken_from_is_none(self, ground: Ground) -> None:
        with ledger_of(ground) as ledger:
            run = ledger.begin("r1", RULES)
            ledger.take_over("r1")
            ledger.finish(run)
            unfinished = ledger.unfinished()
            assert unfinished is not None
            assert unfinished.epoch == 2

    def test_a_batch_that_two_work_on_is_deleted_once(self, ground: Ground) -> None:
        record(ground.admin, "a")
        stopped(ground, "verified")
        with looked(ground.site) as (_, found, rules), ledger_of(ground) as ledger:
            (table,) = [one for one in found if one.name == DROPOUTS]
            run = ledger.unfinished()
            assert run is not None
            (batch,) = ledger.batches(run, DROPOUTS)
            task = Task(outlook.place_of(ground.site), rules, table, batch)
            errors: list[BaseException] = []

            def work() -> None:
                try:
                    batches.work(task)
                except Fenced as error:
                    errors.append(error)

            workers = [threading.Thread(target=work) for _ in range(2)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join(20)
        (row,) = ground.batches()
        assert (row["state"], row["deleted"], row["changed"], row["position"]) == ("DONE", 1, 0, 1)
        batches.close_stores()

    def test_a_run_that_is_gone_cannot_be_taken_over(self, ground: Ground) -> None:
        with ledger_of(ground) as ledger, pytest.raises(LockError, match="gone"):
            ledger.take_over("nobody")


class TestLock:
    """One purge at a time in one database."""

    def test_a_second_one_at_the_same_time_is_told(self, ground: Ground) -> None:
        record(ground.admin)
        caught: list[BaseException] = []

        def second() -> None:
            try:
                running.purge(ground.site)
            except LockError as error:
                caught.append(error)

        with at("batch claimed", second):
            running.purge(ground.site)
        assert len(caught) == 1
        assert "Another purge works" in str(caught[0])
        assert not keys(ground.admin)

    def test_it_goes_with_the_session(self, ground: Ground) -> None:
        with ledger_of(ground) as first:
            first.hold()
            with ledger_of(ground) as second, pytest.raises(LockError):
                second.hold()
        with ledger_of(ground) as third:
            third.hold()


class TestState:
    """It survives, and people can read it."""

    @pytest.mark.parametrize("name", ["Runbook de MUSES", 'com"illas 100% {llaves} ñ;DROP TABLE x--'])
    def test_a_schema_of_any_name(self, ground: Ground, name: str) -> None:
        record(ground.admin)
        site = ground.changed(state_schema=name)
        try:
            stopped(ground, "verified", site)
            assert outlook.look(site).unfinished
            purged = running.purge(site)
            assert purged.resumed
            assert deleted(purged) == {DROPOUTS: 1}
        finally:
            quoted = name.replace('"', '""').replace("%", "%%")
            ground.admin.execute(f'DROP SCHEMA "{quoted}" CASCADE'.replace("%%", "%"))

    def test_the_reader_reads_it_and_cannot_write(self, ground: Ground) -> None:
        with ledger_of(ground) as ledger:
            _planned(ledger)
        access = outlook.place_of(ground.site).access
        with working(access, "purge", "reader") as connection:
            assert [t.name for t in Ledger(connection, LEDGER).standing("r1")] == [DROPOUTS]
        with closing(ground.postgres.session(role="muses_reader")) as session:
            session.execute("SET default_transaction_read_only = off")
            with pytest.raises(Exception, match="permission denied"):
                session.execute(f"UPDATE {LEDGER}.purge_run SET epoch = 9")

    def test_the_services_do_not_see_it(self, ground: Ground) -> None:
        with ledger_of(ground):
            pass
        with closing(ground.postgres.session()) as session, pytest.raises(Exception, match="permission denied"):
            session.execute(f"SELECT * FROM {LEDGER}.purge_run")

    def test_it_is_found_again_as_it_was_written(self, ground: Ground) -> None:
        from datetime import date

        from runbook.settings import Hold

        with looked(ground.changed(holds=(Hold(since=date(2024, 1, 1), why="ñ"),))) as (_, _, rules):
            pass
        with ledger_of(ground) as ledger:
            ledger.begin("r1", rules)
            unfinished = ledger.unfinished()
            assert unfinished is not None
            assert unfinished.rules == rules

    def test_what_it_says_of_a_table_that_waits(self, ground: Ground) -> None:
        with ledger_of(ground) as ledger:
            batch = _planned(ledger)
            ledger.waits(batch, text("{count} sessions wait for locks", count=3))
            (table,) = ledger.standing("r1")
            assert str(table.waiting) == "3 sessions wait for locks"
            ledger.progressed(batch, 10, 7, 3)
            (table,) = ledger.standing("r1")
            assert (table.waiting, table.deleted, table.changed, table.done) == (None, 7, 3, 0)

    def test_the_last_finished_run_counts_dropped_partitions_with_their_table(self, ground: Ground) -> None:
        with ledger_of(ground) as ledger:
            assert (ledger.last_done(), ledger.last_rate()) == ({}, None)
            run = ledger.begin("r1", RULES)
            for name, rows in (("tbae002_a", 5), ("tbae002_b", 7)):
                insert_table(ground, name)
                ledger.progressed(ledger.batches(run, name)[0], rows, rows, 0)
            assert ledger.last_done() == {}
            ledger.finish(run)
            assert ledger.last_done() == {DROPOUTS: 12}
            assert ledger.last_rate() is not None


def insert_table(ground: Ground, name: str) -> None:
    given: dict[str, Any] = {"run": "r1", "name": name}
    ground.admin.execute(
        f"INSERT INTO {LEDGER}.purge_table (run, name, kind, state, parent) "
        f"VALUES (%(run)s, %(name)s, 'records', 'DONE', '{DROPOUTS}')",
        given,
    )
    ground.admin.execute(
        f"INSERT INTO {LEDGER}.purge_batch (run, name, number, epoch, first_block, end_block) "
        "VALUES (%(run)s, %(name)s, 1, 1, 0, 1)",
        given,
    )


def _planned(ledger: Ledger) -> Batch:
    """The only batch of a new run."""
    run = ledger.begin("r1", RULES)
    table: Any = type("T", (), {"name": DROPOUTS, "kind": "records"})
    ledger.plan(run, table, 10, [(0, 5)])
    return ledger.batches(run, DROPOUTS)[0]


def _taking_over(ground: Ground) -> Any:
    def act() -> None:
        with ledger_of(ground) as ledger:
            run = ledger.unfinished()
            assert run is not None
            ledger.take_over(run.id)

    return act


def _waiters(ground: Ground) -> bool:
    query = "SELECT count(*) AS n FROM pg_locks WHERE NOT granted"
    return bool(ground.admin.execute(query).fetchall()[0]["n"])
