"""Only the very row versions that came back from the archive go, whoever else is at work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from procedures.archive.encoding import Lines
from procedures.purge import deleting, milestones, running
from procedures.purge.deleting import Chunk, Deleter, _behind, _next_size
from runbook.targets.postgres.copying import copied
from tests.procedures.purge.ground import Ground
from tests.procedures.purge.making import (
    DROPOUTS,
    ERRORS,
    RESPONSES,
    Stop,
    archived,
    at,
    deleted,
    error,
    insert,
    keys,
    make_table,
    record,
    refused,
    response,
    stop,
    stopped,
)
from tests.runbook.targets.servers_postgres import until

pytestmark = pytest.mark.usefixtures("unguarded")

TABLE = "tbae060_extra"


def changed(purged: running.Purged, table: str = DROPOUTS) -> tuple[int, int]:
    """Rows deleted, and rows that were not as archived any more."""
    (found,) = [one for one in purged.tables if one.name == table]
    return found.deleted, found.changed


class TestChanged:
    """A row that is not as it was archived stays, is counted, and goes with the next run."""

    @pytest.mark.parametrize(
        ("milestone", "change", "left"),
        [
            ("exported", "UPDATE {t} SET motivo_baja = motivo_baja WHERE uuid = 'a'", {"a"}),
            ("exported", "UPDATE {t} SET uuid = 'z' WHERE uuid = 'a'", {"z"}),
            ("exported", "DELETE FROM {t} WHERE uuid = 'a'; INSERT INTO {t} SELECT (c).* FROM copia", {"a"}),
            ("exported", "TRUNCATE {t}", set()),
            ("chunk locked", "UPDATE {t} SET id_estatus_procesamiento = 1 WHERE uuid = 'a'", {"a"}),
            ("chunk locked", "DELETE FROM {t} WHERE uuid = 'a'", set()),
        ],
    )
    def test_between_archive_and_delete(self, ground: Ground, milestone: str, change: str, left: set[str]) -> None:
        record(ground.admin, "a")
        record(ground.admin, "b")
        ground.admin.execute(f"CREATE TABLE copia AS SELECT t AS c FROM {DROPOUTS} AS t WHERE uuid = 'a'")
        with at(milestone, lambda: ground.admin.execute(change.format(t=DROPOUTS))):
            purged = running.purge(ground.site)
        gone = 0 if "TRUNCATE" in change else 1
        assert keys(ground.admin) == left
        assert changed(purged) == (gone, 2 - gone)
        ground.admin.execute(f"UPDATE {DROPOUTS} SET id_estatus_procesamiento = 3")
        assert deleted(running.purge(ground.site)) == ({DROPOUTS: 1} if left else {})
        assert set(archived(ground)[DROPOUTS]) >= {"a", "b"} | left

    def test_a_row_in_the_place_of_an_archived_one_stays(self, ground: Ground) -> None:
        record(ground.admin, "a")
        stopped(ground, "verified")
        ground.admin.execute(f"DELETE FROM {DROPOUTS}")
        ground.admin.execute(f"VACUUM {DROPOUTS}")
        record(ground.admin, "b")
        (row,) = ground.admin.execute(f"SELECT ctid::text AS ctid FROM {DROPOUTS}").fetchall()
        assert row["ctid"] == "(0,1)"
        assert changed(running.purge(ground.site)) == (0, 1)
        assert keys(ground.admin) == {"b"}

    def test_a_parent_whose_child_came_meanwhile_stays(self, ground: Ground) -> None:
        record(ground.admin, "a")
        answer = response(ground.admin, "a")
        with at("chunk locked", lambda: error(ground.admin, answer)):
            purged = running.purge(ground.site)
        assert changed(purged, RESPONSES) == (0, 1)
        assert keys(ground.admin, RESPONSES) == {answer}

    @pytest.mark.parametrize("committed", [True, False])
    def test_a_child_that_is_on_its_way_is_waited_for(self, ground: Ground, committed: bool) -> None:
        record(ground.admin, "a")
        answer = response(ground.admin, "a")
        with closing(ground.postgres.admin()) as other:
            other.execute("SET search_path TO muses_dev; BEGIN")
            error(other, answer)
            purged = _purging(ground, lambda: other.execute("COMMIT" if committed else "ROLLBACK"))
        assert changed(purged, RESPONSES) == ((0, 1) if committed else (1, 0))
        assert len(keys(ground.admin, ERRORS)) == committed

    def test_children_that_nobody_plans_keep_their_parents(self, ground: Ground) -> None:
        ground.admin.execute(f"CREATE TABLE hija (u varchar(36) REFERENCES {DROPOUTS}); CREATE INDEX ON hija (u)")
        for uuid in "ab":
            record(ground.admin, uuid)
        ground.admin.execute("INSERT INTO hija VALUES ('a'), (NULL); GRANT SELECT ON hija TO muses_operator")
        assert changed(running.purge(ground.site)) == (1, 1)
        assert keys(ground.admin) == {"a"}


class TestOthersAtWork:
    """Locks are waited for, and nobody's work is overwritten."""

    @pytest.mark.parametrize("committed", [True, False])
    def test_an_update_on_its_way_is_waited_for(self, ground: Ground, committed: bool) -> None:
        record(ground.admin, "a")
        with closing(ground.postgres.admin()) as other:
            other.execute("SET search_path TO muses_dev; BEGIN")
            other.execute(f"UPDATE {DROPOUTS} SET motivo_baja = 'otro'")
            purged = _purging(ground, lambda: other.execute("COMMIT" if committed else "ROLLBACK"))
        assert changed(purged) == ((0, 1) if committed else (1, 0))

    def test_a_lock_that_outlasts_our_patience_is_asked_for_again(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from runbook.targets.postgres import working

        monkeypatch.setitem(working._PINNED, "lock_timeout", "50ms")
        record(ground.admin, "a")
        tries = 0
        with closing(ground.postgres.admin()) as other:
            other.execute("SET search_path TO muses_dev; BEGIN")
            other.execute(f"SELECT FROM {DROPOUTS} FOR UPDATE")

            def reached(name: str) -> None:
                nonlocal tries
                tries += name == "chunk begun"
                if tries == 3:
                    other.execute("ROLLBACK")

            monkeypatch.setattr(milestones, "reached", reached)
            assert changed(running.purge(ground.site)) == (1, 0)
        assert tries == 3

    def test_one_that_never_ends_ends_the_purge_which_goes_on_later(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from runbook.targets.postgres import working

        monkeypatch.setitem(working._PINNED, "lock_timeout", "10ms")
        monkeypatch.setattr(deleting, "_TRIES", 3)
        record(ground.admin, "a")
        with closing(ground.postgres.admin()) as other:
            other.execute("SET search_path TO muses_dev; BEGIN")
            other.execute(f"SELECT FROM {DROPOUTS} FOR UPDATE")
            with pytest.raises(working.Busy):
                running.purge(ground.site)
            other.execute("ROLLBACK")
        assert changed(running.purge(ground.site)) == (1, 0)

    def test_the_lock_of_a_reader_is_in_nobodys_way(self, ground: Ground) -> None:
        record(ground.admin, "a")
        with closing(ground.postgres.admin()) as other:
            other.execute("SET search_path TO muses_dev; BEGIN ISOLATION LEVEL REPEATABLE READ")
            other.execute(f"SELECT count(*) FROM {DROPOUTS}")
            assert changed(running.purge(ground.site)) == (1, 0)
            assert keys(other) == {"a"}


class TestProgress:
    """What is done is written down with the rows that went, and is not done again."""

    @pytest.mark.parametrize("nth", [1, 3])
    def test_it_goes_on_behind_the_last_chunk_that_was_committed(self, ground: Ground, nth: int) -> None:
        for number in range(300):
            record(ground.admin, f"{number:03}")
        before = ground.tables()
        site = ground.changed(chunk_rows=100, batch_rows=300)
        stopped(ground, "chunk committed", site, nth=nth)
        assert next(batch["position"] for batch in ground.batches()) == 100 * nth
        assert len(keys(ground.admin)) == 300 - 100 * nth
        loaded = 0

        def count() -> None:
            nonlocal loaded
            loaded += 1

        if nth < 3:
            with at("chunk begun", count):
                purged = running.purge(site)
        else:
            purged = running.purge(site)
        assert changed(purged) == (300, 0)
        ground.nothing_lost(before)
        assert archived(ground)[DROPOUTS] == [f"{number:03}" for number in range(300)]

    def test_a_chunk_that_was_not_committed_is_not_written_down(self, ground: Ground) -> None:
        record(ground.admin, "a")
        with at("rows deleted, before commit", stop), pytest.raises(Stop):
            running.purge(ground.site)
        assert keys(ground.admin) == {"a"}
        assert [(batch["position"], batch["deleted"]) for batch in ground.batches()] == [(0, 0)]

    def test_pure_which_lines_are_left(self) -> None:
        for done, left in ((0, b"a\nb\nc\nd\ne\n"), (1, b"b\nc\nd\ne\n"), (3, b"d\ne\n"), (5, b"")):
            lines = _behind(Lines([b"a\nb\nc", b"\nd\ne\n"]), done)
            assert lines.take(10) == (left, 5 - done)

    def test_pure_how_large_the_next_chunk_is(self) -> None:
        assert _next_size(1000, deleting._AIM, 5000) == 1000
        assert _next_size(1000, deleting._AIM / 100, 5000) == 2000
        assert _next_size(4000, 0.0, 5000) == 5000
        assert _next_size(1000, 10.0, 5000) == 100
        assert _next_size(50, 0.0, 50) == 50


class TestWhatCameSince:
    """A run lasts: what is put in the way meanwhile must not make a delete take more than is archived."""

    @pytest.mark.parametrize("nth", [2])
    def test_children_that_follow_deletes(self, ground: Ground, nth: int) -> None:
        for number in range(200):
            record(ground.admin, f"{number:03}")

        def cascade() -> None:
            ground.admin.execute(f"CREATE TABLE hija (u varchar(36) REFERENCES {DROPOUTS} ON DELETE CASCADE)")
            ground.admin.execute(f"INSERT INTO hija SELECT uuid FROM {DROPOUTS}")

        with at("chunk begun", cascade, nth=nth):
            purged = running.purge(ground.changed(batch_rows=300, chunk_rows=100))
        assert changed(purged) == (100 * (nth - 1), 100 * (3 - nth))
        assert ground.admin.execute("SELECT FROM hija").rowcount == 100 * (3 - nth)
        assert list(refused(running.purge(ground.site))) == [DROPOUTS]

    def test_a_trigger_that_does_something_of_its_own(self, ground: Ground) -> None:
        record(ground.admin, "a")
        error(ground.admin, response(ground.admin, record(ground.admin, status=1)))
        trigger = (
            f"CREATE FUNCTION otra() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM muses_dev.{ERRORS}; "
            f"RETURN OLD; END'; CREATE TRIGGER t BEFORE DELETE ON {DROPOUTS} FOR EACH ROW EXECUTE FUNCTION otra()"
        )
        with at("chunk begun", lambda: ground.admin.execute(trigger)):
            assert changed(running.purge(ground.site)) == (0, 1)
        assert len(keys(ground.admin, ERRORS)) == 1


class TestPlaces:
    """Rows that lie where they were go by their places; what the server gives out as deleted decides."""

    def test_no_list_of_lines_is_needed(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        for key in "abc":
            record(ground.admin, key)
        monkeypatch.delattr(Deleter, "_gone")
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 3}

    def test_what_is_not_the_archived_lines_is_undone_and_each_row_asked_for(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All that differs here is what we are told: the row is the archived one, and goes after all, once."""
        record(ground.admin, "a")
        monkeypatch.setattr(deleting, "copied", lambda *given: (piece[1:] for piece in copied(*given)))
        purged = running.purge(ground.site)
        assert changed(purged) == (1, 0)
        assert keys(ground.admin) == set()

    def test_what_lies_between_stays(self, ground: Ground) -> None:
        for key, status in (("a", 3), ("b", 1), ("c", 3), ("d", 3)):
            record(ground.admin, key, status=status)
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 3}
        assert keys(ground.admin) == {"b"}

    def test_pure_what_is_told_is_the_text_byte_for_byte(self) -> None:
        chunk = Chunk(b"(0,1)\t7\ta\n(0,2)\t7\tb\n", 2)
        assert (chunk.ends, chunk.places) == (("(0,1)", "(0,2)"), b"(0,1)\n(0,2)\n")
        assert chunk.is_told_by(iter([chunk.text]))
        assert chunk.is_told_by(iter([chunk.text[:10], chunk.text[10:]]))
        for told in (
            b"",
            chunk.text[:-1],
            chunk.text[10:],
            chunk.text + b"(0,3)\t7\tc\n",
            chunk.text.replace(b"7", b"8"),
        ):
            assert not chunk.is_told_by(iter([told]))

    def test_rows_that_all_moved_are_asked_for(self, ground: Ground) -> None:
        for key in "abc":
            record(ground.admin, key)
        ground.admin.execute(f"DELETE FROM {DROPOUTS} WHERE uuid = 'a'")
        with at("verified", lambda: ground.admin.execute(f"VACUUM FULL {DROPOUTS}")):
            assert deleted(running.purge(ground.site)) == {DROPOUTS: 2}


class TestMatching:
    """Keys and columns of any kind."""

    def test_a_key_of_several_columns_in_another_order(self, ground: Ground) -> None:
        make_table(ground.admin, TABLE, '"Grupo" int, n numeric')
        ground.admin.execute(f'ALTER TABLE {TABLE} DROP CONSTRAINT {TABLE}_pkey, ADD PRIMARY KEY (n, "Grupo", uuid)')
        for number in range(4):
            insert(
                ground.admin,
                TABLE,
                uuid="a",
                Grupo=number % 2,
                n=number // 2,
                id_estatus_procesamiento=3,
                fecha_actualizacion="2025-01-01" if number else "2999-01-01",
            )
        assert deleted(running.purge(ground.site)) == {TABLE: 3}

    def test_a_table_that_others_inherit_from(self, ground: Ground) -> None:
        make_table(ground.admin, TABLE, "")
        ground.admin.execute(f"CREATE TABLE heredera (PRIMARY KEY (uuid)) INHERITS ({TABLE})")
        record(ground.admin, "a", table=TABLE)
        record(ground.admin, "b", table="heredera")
        assert deleted(running.purge(ground.site)) == {TABLE: 1}
        assert keys(ground.admin, "heredera") == {"b"}


def _purging(ground: Ground, then: Callable[[], Any]) -> running.Purged:
    """A purge that comes to wait for somebody; ``then`` is done as soon as it does."""
    found: list[running.Purged] = []
    worker = threading.Thread(target=lambda: found.append(running.purge(ground.site)))
    worker.start()
    try:
        until(lambda: _waits(ground), patience=20)
    finally:
        then()
        worker.join(30)
    assert found
    return found[0]


def _waits(ground: Ground) -> bool:
    query = "SELECT FROM pg_stat_activity WHERE application_name = 'muses-runbook' AND wait_event_type = 'Lock'"
    return bool(ground.admin.execute(query).fetchall())
