"""Partitions: dropped as a whole only when proven equal to the archive, and never one that rows may still come to."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from psycopg import sql

from procedures.purge import outlook, running
from tests.procedures.purge.ground import ARCHIVE, LEDGER, Ground
from tests.procedures.purge.making import (
    NEW,
    RESPONSES,
    archived,
    at,
    belong,
    deleted,
    keys,
    looked,
    record,
    refused,
    response,
    stopped,
    surveyed,
)

pytestmark = pytest.mark.usefixtures("unguarded")

PARENT = "tbae050_parte"
JANUARY, FEBRUARY = (
    "FOR VALUES FROM ('2025-01-01') TO ('2025-02-01')",
    "FOR VALUES FROM ('2025-02-01') TO ('2025-03-01')",
)


def make(ground: Ground, by: str = "RANGE (fecha_actualizacion)", *, time: str = "timestamp", **parts: str) -> None:
    """The parent with its partitions, by name and bounds."""
    ground.admin.execute(
        f"CREATE TABLE {PARENT} (uuid varchar(36), id_estatus_procesamiento int, fecha_actualizacion {time}, "
        f"id_subsistema int, PRIMARY KEY (uuid, fecha_actualizacion, id_subsistema)) PARTITION BY {by}"
    )
    for name, bounds in parts.items():
        ground.admin.execute(f"CREATE TABLE {name} PARTITION OF {PARENT} {bounds}")
    belong(ground.admin, PARENT, *parts)


def put(ground: Ground, uuid: str, time: str = "2025-01-05 12:00:00", *, status: int = 3, subsystem: int = 1) -> None:
    record(ground.admin, uuid, table=PARENT, time=time, status=status, id_subsistema=subsystem)


def partitions(ground: Ground) -> dict[str, str]:
    """Those that the parent has, with their bounds."""
    query = (
        "SELECT relname, pg_get_expr(relpartbound, oid) AS bounds FROM pg_class JOIN pg_inherits ON inhrelid = oid "
        f"WHERE inhparent = '{PARENT}'::regclass"
    )
    return {row["relname"]: row["bounds"] for row in ground.admin.execute(query).fetchall()}


class TestDropped:
    """A partition whose rows all go is archived, proven and dropped."""

    @pytest.mark.parametrize("time", ["timestamp", "timestamptz"])
    def test_as_a_whole(self, ground: Ground, time: str) -> None:
        make(ground, time=time, enero=JANUARY, febrero=FEBRUARY)
        put(ground, "a")
        put(ground, "b")
        put(ground, "c", "2025-02-05", status=1)
        with at("partition dropped", lambda: None):
            purged = running.purge(ground.site)
        assert deleted(purged) == {"enero": 2}
        assert list(partitions(ground)) == ["febrero"]
        assert keys(ground.admin, PARENT) == {"c"}
        assert archived(ground) == {PARENT: ["a", "b"]}
        assert {table.state for table in purged.tables} == {"DONE"}

    def test_in_several_batches(self, ground: Ground) -> None:
        make(ground, enero=JANUARY, resto="DEFAULT")
        for number in range(400):
            put(ground, f"{number:036}")
        purged = running.purge(ground.changed(batch_rows=100))
        (table,) = [one for one in purged.tables if one.name == "enero"]
        assert (table.batches > 2, table.deleted, table.archived) == (True, 400, 400)
        assert len(archived(ground)[PARENT]) == 400

    def test_with_the_responses_of_its_records_whatever_their_age(self, ground: Ground) -> None:
        make(ground, enero=JANUARY)
        put(ground, "a")
        response(ground.admin, "a", time=NEW, status=1)
        assert deleted(running.purge(ground.site)) == {"enero": 1, RESPONSES: 1}

    def test_also_when_it_was_killed_while_it_was_detached(self, ground: Ground) -> None:
        make(ground, enero=JANUARY)
        put(ground, "a")
        stopped(ground, "partition detached")
        assert partitions(ground) == {}
        assert outlook.look(ground.site).unfinished
        purged = running.purge(ground.site)
        assert (purged.resumed, deleted(purged)) == (True, {"enero": 1})
        assert archived(ground) == {PARENT: ["a"]}


class TestRowByRow:
    """All other partitions stay, and their rows go like any."""

    def test_one_row_that_stays_keeps_its_partition(self, ground: Ground) -> None:
        make(ground, enero=JANUARY)
        put(ground, "a")
        put(ground, "b", status=1)
        assert deleted(running.purge(ground.site)) == {"enero": 1}
        assert list(partitions(ground)) == ["enero"]
        assert keys(ground.admin, PARENT) == {"b"}

    @pytest.mark.parametrize(
        ("by", "bounds"),
        [
            ("LIST (id_subsistema)", "FOR VALUES IN (1)"),
            ("HASH (uuid)", "FOR VALUES WITH (MODULUS 1, REMAINDER 0)"),
            ("RANGE (fecha_actualizacion)", "DEFAULT"),
            ("RANGE (fecha_actualizacion)", "FOR VALUES FROM ('2025-01-01') TO (MAXVALUE)"),
            ("RANGE (fecha_actualizacion)", "FOR VALUES FROM ('2025-01-01') TO ('2999-01-01')"),
            ("RANGE (fecha_actualizacion)", "FOR VALUES FROM ('2025-01-01') TO ('12999-01-01')"),
            ("RANGE (id_subsistema)", "FOR VALUES FROM (1) TO (9)"),
            ("RANGE (fecha_actualizacion, id_subsistema)", "FOR VALUES FROM ('2025-01-01', 1) TO ('2025-02-01', 2)"),
        ],
    )
    def test_one_that_new_rows_may_come_to_is_emptied_and_stays(self, ground: Ground, by: str, bounds: str) -> None:
        make(ground, by, p1=bounds)
        put(ground, "a")
        put(ground, "b")
        before = partitions(ground)
        assert deleted(running.purge(ground.site)) == {"p1": 2}
        assert partitions(ground) == before
        put(ground, "c")

    def test_partitions_of_partitions(self, ground: Ground) -> None:
        make(ground, "LIST (id_subsistema)")
        ground.admin.execute(
            f"CREATE TABLE uno PARTITION OF {PARENT} FOR VALUES IN (1) PARTITION BY RANGE (fecha_actualizacion);"
            f"CREATE TABLE uno_enero PARTITION OF uno {JANUARY}"
        )
        belong(ground.admin, "uno", "uno_enero")
        put(ground, "a")
        assert deleted(running.purge(ground.site)) == {"uno_enero": 1}
        assert archived(ground) == {PARENT: ["a"]}

    def test_one_that_somebody_uses_all_the_time(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        from runbook.targets.postgres import working

        monkeypatch.setitem(working._PINNED, "lock_timeout", "100ms")
        make(ground, enero=JANUARY)
        put(ground, "a")
        with closing(ground.postgres.session()) as session:
            session.execute(f"BEGIN; SELECT count(*) FROM {PARENT}")
            with at("batch done", lambda: session.execute("COMMIT")):
                assert deleted(running.purge(ground.site)) == {"enero": 1}
        assert list(partitions(ground)) == ["enero"]


class TestNotEqual:
    """What is not equal to its archive is attached again with its bounds, and nothing is lost."""

    @pytest.mark.parametrize(
        ("milestone", "sneak", "left"),
        [
            ("verified", "INSERT INTO enero VALUES ('late', 3, '2025-01-09', 1)", {"a", "b", "late"}),
            ("exported", "UPDATE enero SET id_estatus_procesamiento = 3 WHERE uuid = 'a'", {"a", "b"}),
            ("verified", "UPDATE enero SET uuid = 'z' WHERE uuid = 'a'", {"z", "b"}),
        ],
    )
    def test_a_row_that_came_or_changed_after_the_export(
        self, ground: Ground, milestone: str, sneak: str, left: set[str]
    ) -> None:
        make(ground, enero=JANUARY, febrero=FEBRUARY)
        put(ground, "a")
        put(ground, "b")
        before = partitions(ground)
        with at(milestone, lambda: ground.admin.execute(sneak)):
            purged = running.purge(ground.site)
        assert deleted(purged) == {}
        assert "not equal to its archive" in refused(purged)["enero"][0]
        assert partitions(ground) == before
        assert keys(ground.admin, PARENT) == left
        assert deleted(running.purge(ground.site)) == {"enero": len(left)}
        assert set(archived(ground)[PARENT]) >= left

    def test_a_row_that_went_meanwhile_is_no_reason(self, ground: Ground) -> None:
        make(ground, enero=JANUARY)
        put(ground, "a")
        put(ground, "b")
        with at("verified", lambda: ground.admin.execute("DELETE FROM enero WHERE uuid = 'a'")):
            running.purge(ground.site)
        assert partitions(ground) == {}
        assert archived(ground) == {PARENT: ["a", "b"]}

    def test_an_archive_that_is_damaged_meanwhile(self, ground: Ground) -> None:
        make(ground, enero=JANUARY)
        put(ground, "a")

        def damage() -> None:
            for one in ground.s3.list_object_versions(Bucket=ARCHIVE, Prefix=ground.prefix)["Versions"]:
                if one["Key"].endswith("rows.copy.zst"):
                    ground.s3.delete_object(Bucket=ARCHIVE, Key=one["Key"], VersionId=one["VersionId"])

        with at("verified", damage), pytest.raises(Exception, match="NoSuchVersion"):
            running.purge(ground.site)
        assert keys(ground.admin, "enero") == {"a"}

    def test_something_that_depends_on_it(self, ground: Ground) -> None:
        make(ground, enero=JANUARY)
        put(ground, "a")
        ground.admin.execute("CREATE VIEW vista AS SELECT uuid FROM enero")
        purged = running.purge(ground.site)
        assert "enero" in refused(purged)
        assert keys(ground.admin, PARENT) == {"a"}


class TestFound:
    """Partitions are found by the table that they belong to, not by their names."""

    def test_whatever_they_are_called(self, ground: Ground) -> None:
        make(ground, otra_cosa=JANUARY, p10=FEBRUARY, p9="FOR VALUES FROM ('2025-03-01') TO ('2025-04-01')")
        put(ground, "a")
        put(ground, "b", "2025-02-05")
        put(ground, "c", "2025-03-05", status=1)
        purged = running.purge(ground.changed(tables=("tbae050*",)))
        assert deleted(purged) == {"otra_cosa": 1, "p10": 1}
        assert list(partitions(ground)) == ["p9"]

    def test_they_are_archived_under_the_name_that_people_know(self, ground: Ground) -> None:
        make(ground, enero=JANUARY)
        put(ground, "a")
        running.purge(ground.site)
        listed = ground.s3.list_objects_v2(Bucket=ARCHIVE, Prefix=f"{ground.prefix}sep_muses/muses_dev.{PARENT}/")
        assert all("/enero/batch-00001-" in one["Key"] for one in listed["Contents"])
        assert len(listed["Contents"]) == 2

    def test_a_retention_is_that_of_the_table(self, ground: Ground) -> None:
        make(ground, enero=JANUARY)
        put(ground, "a")
        site = ground.changed(retention_days={PARENT: 36500})
        assert surveyed(site, "enero").qualifying == 0

    def test_one_that_is_detached_by_hand_is_no_table_of_ours(self, ground: Ground) -> None:
        make(ground, enero=JANUARY, febrero=FEBRUARY)
        put(ground, "a")
        ground.admin.execute(f"ALTER TABLE {PARENT} DETACH PARTITION enero")
        with looked(ground.site) as (_, found, _):
            assert "enero" not in {table.name for table in found}


def test_a_name_like_any(ground: Ground) -> None:
    odd: Any = 'Año "2025"/enero'
    make(ground)
    ground.admin.execute(
        sql.SQL("CREATE TABLE {} PARTITION OF {} " + JANUARY).format(sql.Identifier(odd), sql.Identifier(PARENT))
    )
    ground.admin.execute(sql.SQL("ALTER TABLE {} OWNER TO muses_owner").format(sql.Identifier(odd)))
    put(ground, "a")
    assert deleted(running.purge(ground.site)) == {odd: 1}
    assert archived(ground) == {PARENT: ["a"]}
    ground.admin.execute(f"SELECT 1 FROM {LEDGER}.purge_run")
