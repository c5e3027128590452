"""What must be so before a purge begins: each guard forbids, all are said at once, and a dry run writes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from procedures.purge import outlook, preflight, running
from procedures.purge.running import Refused
from runbook.errors import RunbookError
from runbook.settings import Login, Secret
from runbook.site import Site
from runbook.targets.postgres.working import working
from tests.faulty_store import faulty_store
from tests.procedures.purge.ground import ARCHIVE, BACKUPS, LEDGER, Ground, publish_backup
from tests.procedures.purge.making import DROPOUTS, INSCRIPTIONS, belong, deleted, keys, record, stopped
from tests.runbook.targets.servers_postgres import DATABASE, PASSWORD, SCHEMA
from tests.store_faults import deny, fail, skew, unconditional, unencrypted, unversioned


def refusal(site: Site, *, confirmed: bool = False) -> list[str]:
    """What a purge is refused for; nothing of it has begun."""
    with pytest.raises(Refused) as caught:
        running.purge(site, confirmed=confirmed)
    return [str(one) for one in caught.value.objections]


def objections(site: Site) -> list[str]:
    """The same of a dry run."""
    return [str(one) for one in outlook.look(site).objections]


class TestServer:
    """About the database server."""

    def test_who_cannot_see_replicas_and_sessions(self, ground: Ground) -> None:
        ground.admin.execute(f"CREATE ROLE ciego LOGIN PASSWORD '{PASSWORD}' IN ROLE muses_owner")
        ground.admin.execute(f"GRANT CREATE ON DATABASE {DATABASE} TO ciego")
        site = ground.changed(database={"operator": ground.postgres.login("ciego")})
        try:
            (reason,) = refusal(site)
            assert "GRANT pg_monitor" in reason
        finally:
            ground.admin.execute(f"DROP SCHEMA {LEDGER} CASCADE; DROP OWNED BY ciego; DROP ROLE ciego")

    def test_a_backup_that_is_running(self, ground: Ground) -> None:
        with closing(ground.postgres.session("pg_dump")):
            assert refusal(ground.site) == ["pg_dump is running: wait for it to end"]
            assert "pg_dump is running: wait for it to end" in objections(ground.site)

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ({"standby": True}, "standby"),
            ({"now": timedelta(seconds=90)}, "clock"),
            ({"now": timedelta(seconds=-90)}, "clock"),
        ],
    )
    def test_a_standby_and_a_clock_that_is_off(self, row: dict[str, Any], reason: str) -> None:
        found = {"standby": False, "sees": True, "dumps": 0, "now": timedelta(0), **row}
        found["now"] += datetime.now(UTC)
        answers: Any = type("C", (), {"execute": lambda *_: type("R", (), {"fetchall": lambda *_: [found]})()})()
        (said,) = preflight.of_the_database(answers)
        assert reason in str(said)


class TestSize:
    """More than usual needs a person's word."""

    def test_more_than_half_of_a_table(self, ground: Ground) -> None:
        for _ in range(3):
            record(ground.admin)
        record(ground.admin, status=1)
        site = ground.changed(max_percent=50.0)
        (reason,) = refusal(site)
        assert DROPOUTS in reason
        assert "purge.max_percent" in reason
        assert objections(site) == [reason]
        assert len(keys(ground.admin)) == 4
        assert deleted(running.purge(site, confirmed=True)) == {DROPOUTS: 3}

    def test_much_more_than_last_time(self, ground: Ground) -> None:
        record(ground.admin)
        running.purge(ground.site)
        for _ in range(4):
            record(ground.admin)
        site = ground.changed(max_growth=3.0)
        (reason,) = refusal(site)
        assert "1 went last time" in reason
        assert deleted(running.purge(site, confirmed=True)) == {DROPOUTS: 4}

    def test_of_a_table_that_was_never_purged_nothing_went_last_time(self, ground: Ground) -> None:
        record(ground.admin)
        running.purge(ground.site)
        for _ in range(4):
            record(ground.admin, table=INSCRIPTIONS, id_subsistema=1)
        assert deleted(running.purge(ground.changed(max_growth=3.0))) == {INSCRIPTIONS: 4}

    def test_partitions_count_as_the_table_that_they_belong_to(self, ground: Ground) -> None:
        name = "tbae050_parte"
        ground.admin.execute(
            f"CREATE TABLE {name} (uuid varchar(36), id_estatus_procesamiento int, fecha_actualizacion timestamp, "
            f"PRIMARY KEY (uuid, fecha_actualizacion)) PARTITION BY RANGE (fecha_actualizacion);"
            f"CREATE TABLE {name}_a PARTITION OF {name} FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');"
            f"CREATE TABLE {name}_b PARTITION OF {name} FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');"
            f"CREATE TABLE {name}_c PARTITION OF {name} DEFAULT"
        )
        belong(ground.admin, name, f"{name}_a", f"{name}_b", f"{name}_c")
        record(ground.admin, table=name)  # all of its partition, a third of the table
        for _ in range(2):
            record(ground.admin, table=name, time="2999-01-01")
        careful = ground.changed(max_percent=50.0, max_growth=3.0)
        assert deleted(running.purge(careful)) == {f"{name}_a": 1}
        for _ in range(2):
            record(ground.admin, table=name, time="2025-02-02")
        assert deleted(running.purge(careful)) == {f"{name}_b": 2}  # two, not infinitely many times none
        for _ in range(9):
            record(ground.admin, table=name, time="2025-02-02")
        assert any("purge.max_growth" in reason for reason in refusal(ground.changed(max_growth=3.0)))

    def test_a_run_that_is_gone_on_with_was_confirmed_already(self, ground: Ground) -> None:
        record(ground.admin)
        stopped(ground, "table planned")
        assert deleted(running.purge(ground.changed(max_percent=1.0))) == {DROPOUTS: 1}


class TestBackup:
    """No purge without a backup to go back to."""

    @pytest.fixture
    def bare(self, ground: Ground) -> Iterator[Ground]:
        """No backup at all; afterwards the one of the session is there again."""
        pages = ground.s3.get_paginator("list_object_versions").paginate(Bucket=BACKUPS)
        for page in pages:
            for kind in ("Versions", "DeleteMarkers"):
                for found in page.get(kind, ()):
                    ground.s3.delete_object(Bucket=BACKUPS, Key=found["Key"], VersionId=found["VersionId"])
        try:
            yield ground
        finally:
            publish_backup(ground.s3)

    def test_there_is_none(self, bare: Ground) -> None:
        assert refusal(bare.site) == ["There is no verified backup: take one first (row BACKUP-01)"]
        assert objections(bare.site) == refusal(bare.site)

    def test_the_newest_is_too_old_not_verified_or_its_data_is_gone(self, bare: Ground) -> None:
        folder = publish_backup(bare.s3, age=timedelta(hours=1))
        bare.s3.delete_object(Bucket=BACKUPS, Key=f"{folder}data.dump")
        publish_backup(bare.s3, age=timedelta(hours=2), verified=False)
        assert refusal(bare.site) == ["There is no verified backup: take one first (row BACKUP-01)"]
        publish_backup(bare.s3, age=timedelta(hours=27))
        (reason,) = refusal(bare.site)
        assert "purge.newest_backup" in reason
        assert deleted(running.purge(bare.changed(newest_backup=timedelta(hours=28)))) == {}

    def test_the_bucket_is_not_there_or_not_to_be_seen(self, ground: Ground) -> None:
        assert len(refusal(ground.changed(storage={"backup_bucket": "no-hay"}))) == 1


class TestStorage:
    """The archive keeps what it promises, by trying."""

    def test_a_bucket_that_is_not_there(self, ground: Ground) -> None:
        record(ground.admin)
        site = ground.changed(storage={"archive_bucket": "no-hay"})
        assert any("no-hay" in reason for reason in refusal(site))
        assert any("no-hay" in reason for reason in objections(site))
        assert len(keys(ground.admin)) == 1

    @pytest.mark.parametrize(
        ("faults", "reason"),
        [
            ([(unencrypted(), "*")], "that it encrypts"),
            ([(unconditional(), "PutObject"), (unversioned(), "*")], "neither keeps versions nor refuses"),
            ([(skew(timedelta(hours=2)), "HeadBucket")], "the storage's differ"),
            ([(deny(), "PutObject")], "denied|forbidden|right|403|AccessDenied"),
        ],
        ids=["unencrypted", "unversioned", "skew", "denied"],
    )
    def test_that_breaks_a_promise(self, ground: Ground, faults: list[Any], reason: str) -> None:
        record(ground.admin)
        with faulty_store(ground.servers.storage) as store:
            for fault, operation in faults:
                store.inject(fault, operation=operation, times=None)
            found = refusal(ground.changed(endpoint=store.url))
            assert any(re.search(reason, one) for one in found), found
            assert not _objects(ground)
        assert len(keys(ground.admin)) == 1

    def test_a_class_that_is_not_read_back_at_once(self, ground: Ground) -> None:
        site = ground.changed(archive={"storage_class": "GLACIER"})
        assert refusal(site)
        assert any("not read back at once" in reason for reason in objections(site))

    def test_a_public_bucket(self, ground: Ground) -> None:
        policy = (
            '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",'
            f'"Resource":"arn:aws:s3:::{ARCHIVE}/*"}}]}}'
        )
        ground.s3.delete_public_access_block(Bucket=ARCHIVE)
        ground.s3.put_bucket_policy(Bucket=ARCHIVE, Policy=policy)
        try:
            assert any("open to the public" in reason for reason in refusal(ground.site))
        finally:
            ground.s3.delete_bucket_policy(Bucket=ARCHIVE)

    def test_a_list_of_backups_that_fails_is_no_list_without_any(self, ground: Ground) -> None:
        with faulty_store(ground.servers.storage) as store:
            store.inject(deny(), operation="ListObjectsV2", times=None)
            found = refusal(ground.changed(endpoint=store.url))
        assert found
        assert not any("There is no verified backup" in reason for reason in found)

    def test_all_that_forbids_is_said_at_once(self, ground: Ground) -> None:
        with closing(ground.postgres.session("pg_dump")), faulty_store(ground.servers.storage) as store:
            store.inject(fail(status=403, code="AccessDenied"), operation="PutObject", times=None)
            site = ground.changed(
                endpoint=store.url, newest_backup=timedelta(minutes=1), archive={"storage_class": "GLACIER"}
            )
            found = refusal(site)
        assert len(found) == 3
        assert "pg_dump" in found[0]
        assert "purge.newest_backup" in found[1]

    def test_a_refusal_leaves_no_run_behind(self, ground: Ground) -> None:
        record(ground.admin)
        refusal(ground.changed(newest_backup=timedelta(0)))
        assert ground.runs() == []


class TestDryRun:
    """A look is no touch."""

    def test_it_writes_nothing_anywhere_and_needs_no_operator(self, ground: Ground) -> None:
        ground.fill(40)
        before = (_fingerprint(ground), _everything(ground))
        site = ground.changed(database={"operator": None}, storage={"operator": None})
        found = outlook.look(site)
        assert found.objections == ()
        assert found.survey.qualifying > 0
        assert (_fingerprint(ground), _everything(ground)) == before
        there = ground.admin.execute(f"SELECT to_regnamespace('{LEDGER}') AS there").fetchall()
        assert there[0]["there"] is None

    def test_it_says_what_the_purge_does(self, ground: Ground) -> None:
        before = ground.fill(40)
        said = {one.table: one.qualifying for one in outlook.look(ground.site).survey.tables}
        assert {table: rows for table, rows in said.items() if rows} == deleted(running.purge(ground.site))
        ground.invariant(before)
        assert outlook.look(ground.site).survey.qualifying == 0

    def test_it_says_which_run_would_be_gone_on_with(self, ground: Ground) -> None:
        record(ground.admin)
        stopped(ground, "exported")
        assert outlook.look(ground.site).unfinished == ground.runs()[0]["id"]

    def test_a_reader_that_could_write_does_not(self, ground: Ground) -> None:
        with (
            working(outlook.place_of(ground.site).access, "purge", "reader") as connection,
            pytest.raises(Exception, match="read-only"),
        ):
            connection.execute("CREATE TEMP TABLE x (y int); CREATE TABLE public.x (y int)")

    def test_who_is_not_let_in_is_told(self, ground: Ground) -> None:
        wrong = ground.home / "wrong"
        wrong.write_text("no")
        login = Login(user="muses_reader", password=Secret(file=wrong))
        with pytest.raises(RunbookError, match=r"muses_reader|password"):
            outlook.look(ground.changed(database={"reader": login}))


def _fingerprint(ground: Ground) -> list[dict[str, Any]]:
    """All rows that were ever written or deleted in the database, and the last transaction that wrote."""
    ground.admin.execute("SELECT pg_stat_force_next_flush()")
    return ground.admin.execute(
        "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) AS written, count(*) AS tables, "
        "(SELECT count(*) FROM pg_class) AS relations, "
        f"(SELECT sum(xmin::text::bigint) FROM {SCHEMA}.{DROPOUTS}) AS xmins "
        "FROM pg_stat_user_tables"
    ).fetchall()


def _objects(ground: Ground) -> list[str]:
    found = ground.s3.list_objects_v2(Bucket=ARCHIVE, Prefix=ground.prefix).get("Contents", ())
    return [one["Key"] for one in found if "/.probe/" not in one["Key"]]


def _everything(ground: Ground) -> set[tuple[str, str]]:
    """Every version and marker in both buckets."""
    found = set()
    for bucket in (ARCHIVE, BACKUPS):
        for page in ground.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found |= {
                (one["Key"], one["VersionId"]) for kind in ("Versions", "DeleteMarkers") for one in page.get(kind, ())
            }
    return found
