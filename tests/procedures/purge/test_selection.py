"""Which rows go and which stay: by status, time, holds, and what they belong to."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import date

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from procedures.purge import outlook, running
from procedures.purge.archiving import Archivist
from procedures.purge.ledger_structs import Batch
from procedures.purge.selection import joined, qualifies
from runbook.errors import SettingsError
from runbook.settings import Hold
from runbook.site import Site
from tests.procedures.purge.filling import CASES
from tests.procedures.purge.ground import Ground
from tests.procedures.purge.making import (
    DROPOUTS,
    ERRORS,
    INSCRIPTIONS,
    NEW,
    OLD,
    RESPONSES,
    belong,
    deleted,
    error,
    goes,
    keys,
    looked,
    make_table,
    record,
    refused,
    response,
    stopped,
    surveyed,
)

pytestmark = pytest.mark.usefixtures("unguarded")


class TestStatus:
    """Only processed records go, by the names that the catalogue gives them."""

    def test_processed_by_name_whatever_its_number(self, ground: Ground) -> None:
        ground.admin.execute(
            "INSERT INTO ctmu011_estatus_procesamiento VALUES (77, ' Procesado '), (78, 'PROCESADO PARCIAL')"
        )
        ground.admin.execute(
            "UPDATE ctmu011_estatus_procesamiento SET descripcion = 'EN CURSO' WHERE descripcion = 'PROCESADO'"
        )
        expected = {record(ground.admin, status=77), record(ground.admin, status=4)}
        for status in (1, 2, 3, 5, 78, None):
            record(ground.admin, status=status)
        assert goes(ground.site) == expected

    def test_which_ones_are_processed_is_a_setting(self, ground: Ground) -> None:
        cancelled = record(ground.admin, status=5)
        record(ground.admin, status=3)
        assert goes(ground.changed(processed_statuses=("cancelado",))) == {cancelled}

    def test_a_name_that_the_catalogue_does_not_have_is_an_error_and_not_no_rows(self, ground: Ground) -> None:
        with pytest.raises(SettingsError, match="PROCESSED"):
            outlook.look(ground.changed(processed_statuses=("PROCESSED",)))


class TestTime:
    """Only finite times before the cutoff go."""

    def test_null_and_infinite_times_stay_and_are_counted(self, ground: Ground) -> None:
        for time in (None, "infinity", "-infinity"):
            record(ground.admin, time=time)
        gone = record(ground.admin)
        assert goes(ground.site) == {gone}
        assert (surveyed(ground.site).timeless, surveyed(ground.site).qualifying) == (3, 1)

    def test_old_ones_that_are_not_processed_are_counted(self, ground: Ground) -> None:
        for status in (1, 5, None):
            record(ground.admin, status=status)
        record(ground.admin, status=1, time=NEW)
        assert surveyed(ground.site).unprocessed == 3

    def test_a_time_without_zone_is_in_that_of_the_site_wherever_the_server_is(self, ground: Ground) -> None:
        now = "now() AT TIME ZONE 'America/Mexico_City' - interval '90 days'"
        row = ground.admin.execute(
            f"SELECT {now} - interval '1 min' AS before, {now} + interval '1 min' AS after"
        ).fetchall()[0]
        gone = record(ground.admin, time=row["before"])
        record(ground.admin, time=row["after"])
        assert goes(ground.site) == {gone}

    def test_a_time_with_zone_is_a_moment(self, ground: Ground) -> None:
        ground.admin.execute(f"ALTER TABLE {DROPOUTS} ALTER fecha_actualizacion TYPE timestamptz")
        row = ground.admin.execute(
            "SELECT now() - interval '90 days 1 min' AS before, now() - interval '89 days 23:59' AS after"
        ).fetchall()[0]
        gone = record(ground.admin, time=row["before"])
        record(ground.admin, time=row["after"])
        for time in (None, "infinity", "-infinity"):
            record(ground.admin, time=time)
        assert goes(ground.site) == {gone}
        found = surveyed(ground.site)
        assert found.cutoff.endswith("+00")
        assert found.timeless == 3
        assert found.oldest == row["before"]

    def test_the_last_microsecond_before_the_cutoff_goes_and_the_cutoff_stays(self, ground: Ground) -> None:
        with looked(ground.site) as (connection, found, rules):
            (table,) = [one for one in found if one.name == DROPOUTS]
            cutoff = rules.cutoffs[DROPOUTS]
            gone = record(ground.admin, time=f"{cutoff}"[:19])
            ground.admin.execute(f"UPDATE {DROPOUTS} SET fecha_actualizacion = fecha_actualizacion - interval '1 us'")
            record(ground.admin, time=cutoff)
            query = sql.SQL("SELECT uuid FROM {} AS staged{} WHERE {}").format(
                sql.Identifier(table.schema, table.name), joined(table, rules), qualifies(table, rules)
            )
            assert {row["uuid"] for row in connection.execute(query)} == {gone}

    @pytest.mark.parametrize(
        ("zone", "local"),
        [
            ("America/Mexico_City", 6),  # no clock changes since 2022
            ("America/Tijuana", 7),  # 90 days may lie behind a change: the literal is that moment's own local time
            ("Asia/Tokyo", -9),
        ],
    )
    def test_the_cutoff_is_one_moment_written_in_the_columns_own_terms(
        self, ground: Ground, zone: str, local: int
    ) -> None:
        ground.admin.execute(f"ALTER TABLE {INSCRIPTIONS} ALTER fecha_actualizacion TYPE timestamptz")
        with looked(in_zone(ground.site, zone)) as (_, _, rules):
            (row,) = ground.admin.execute(
                "SELECT %s::timestamp AT TIME ZONE %s = %s::timestamptz AS same",
                [rules.cutoffs[DROPOUTS], zone, rules.cutoffs[INSCRIPTIONS]],
            ).fetchall()
            assert row["same"], rules.cutoffs

    def test_a_table_may_have_a_retention_of_its_own(self, ground: Ground) -> None:
        now = "(now() AT TIME ZONE 'America/Mexico_City')"
        row = ground.admin.execute(f"SELECT {now} - interval '40 days' AS time").fetchall()[0]
        short, _ = (
            record(ground.admin, time=row["time"]),
            record(ground.admin, table=INSCRIPTIONS, id_subsistema=1, time=row["time"]),
        )
        site = ground.changed(retention_days={DROPOUTS: 30})
        assert goes(site) == {short}
        assert goes(site, INSCRIPTIONS) == set()


def in_zone(site: Site, zone: str) -> Site:
    """The same site elsewhere."""
    return dataclasses.replace(site, environment=msgspec.structs.replace(site.environment, timezone=zone))


class TestHolds:
    """What is held stays, whatever its age."""

    @pytest.mark.parametrize(
        ("hold", "kept"),
        [
            (Hold(uuid="a"), {"a"}),
            (Hold(uuid=" A "), {"a"}),  # as people paste it
            (Hold(subsystem=7), {"b", "c"}),
            (Hold(since=date(2024, 3, 10), until=date(2024, 3, 11)), {"c", "d"}),
            (Hold(since=date(2024, 3, 11)), {"a", "b"}),
            (Hold(until=date(2024, 3, 10)), {"e", "f"}),
            (Hold(subsystem=7, since=date(2024, 3, 10), until=date(2024, 3, 11)), {"c"}),
            (Hold(uuid="a", subsystem=7), set()),
        ],
    )
    def test_by_uuid_subsystem_days_and_all_that_is_given(self, ground: Ground, hold: Hold, kept: set[str]) -> None:
        rows = {
            "a": (1, OLD),
            "b": (7, OLD),
            "c": (7, "2024-03-10 00:00:00"),
            "d": (2, "2024-03-10 23:59:59.999999"),
            "e": (2, "2024-03-09 23:59:59.999999"),
            "f": (None, "2024-01-01 00:00:00"),
        }
        for uuid, (subsystem, time) in rows.items():
            record(ground.admin, uuid, time=time, id_subsistema=subsystem)
        # a row without a subsystem may be one of any: it is kept too
        unknown = {"f"} if hold.subsystem == 7 and hold.since is None and hold.uuid is None else set()
        assert set(rows) - goes(ground.changed(holds=(hold,))) == kept | unknown

    def test_a_day_is_that_of_the_site_also_where_the_column_knows_its_offset(self, ground: Ground) -> None:
        ground.admin.execute(f"ALTER TABLE {DROPOUTS} ALTER fecha_actualizacion TYPE timestamptz")
        times = {
            "before": "2024-03-10 05:59:59+00",
            "first": "2024-03-10 06:00:00+00",
            "last": "2024-03-11 05:59:59+00",
        }
        for uuid, time in {**times, "after": "2024-03-11 06:00:00+00"}.items():
            record(ground.admin, uuid, time=time)
        held = Hold(since=date(2024, 3, 10), until=date(2024, 3, 11))
        assert goes(ground.changed(holds=(held,))) == {"before", "after"}

    def test_several_holds_add_up(self, ground: Ground) -> None:
        for uuid in "abc":
            record(ground.admin, uuid)
        assert goes(ground.changed(holds=(Hold(uuid="a"), Hold(uuid="b")))) == {"c"}

    def test_what_is_held_keeps_its_responses_and_their_errors(self, ground: Ground) -> None:
        for uuid in "ab":
            record(ground.admin, uuid)
        kept, gone = response(ground.admin, "a", time=OLD), response(ground.admin, "b")
        error(ground.admin, kept)
        wrong = error(ground.admin, gone)
        site = ground.changed(holds=(Hold(uuid="a"),))
        assert (goes(site, RESPONSES), goes(site, ERRORS)) == ({gone}, {wrong})

    def test_a_held_uuid_keeps_a_response_whose_record_is_gone(self, ground: Ground) -> None:
        response(ground.admin, "a", time=OLD)
        gone = response(ground.admin, "b", time=OLD)
        assert goes(ground.changed(holds=(Hold(uuid="A"),)), RESPONSES) == {gone}

    @pytest.mark.parametrize("milestone", ["verified", "manifest written", "chunk begun", "batch claimed"])
    def test_a_hold_between_archive_and_delete_of_a_run_that_is_gone_on_with(
        self, ground: Ground, milestone: str
    ) -> None:
        for uuid in "abc":
            record(ground.admin, uuid)
        stopped(ground, milestone)
        purged = running.purge(ground.changed(holds=(Hold(uuid="b"),)))
        assert purged.resumed
        assert keys(ground.admin) == {"b"}
        (table,) = [one for one in purged.tables if one.name == DROPOUTS]
        assert (table.deleted, table.changed) == (2, milestone != "batch claimed")

    def test_a_hold_before_the_drop_of_a_partition_keeps_it(self, ground: Ground) -> None:
        partitioned(ground)
        record(ground.admin, "a", table="tbae050_parte")
        record(ground.admin, "b", table="tbae050_parte")
        stopped(ground, "verified")
        purged = running.purge(ground.changed(holds=(Hold(uuid="b"),)))
        assert "b" in keys(ground.admin, "tbae050_parte")
        assert "tbae050_parte_2025" in refused(purged)

    def test_where_a_table_cannot_tell_the_subsystem_it_is_refused(self, ground: Ground) -> None:
        record(ground.admin, "a")
        record(ground.admin, "b", table="tbae005_asistencias")
        answer = response(ground.admin, "b", time=OLD)
        purged = running.purge(ground.changed(holds=(Hold(subsystem=3),)))
        assert set(refused(purged)) == {"tbae005_asistencias", "tbae007_calificaciones"}
        assert keys(ground.admin, "tbae005_asistencias") == {"b"}
        assert answer in keys(ground.admin, RESPONSES)


def partitioned(ground: Ground) -> None:
    ground.admin.execute(
        "CREATE TABLE tbae050_parte (uuid varchar(36), id_estatus_procesamiento int, fecha_actualizacion timestamp, "
        "PRIMARY KEY (uuid, fecha_actualizacion)) PARTITION BY RANGE (fecha_actualizacion)"
    )
    ground.admin.execute(
        "CREATE TABLE tbae050_parte_2025 PARTITION OF tbae050_parte FOR VALUES FROM ('2025-01-01') TO ('2025-02-01')"
    )
    ground.admin.execute("CREATE TABLE tbae050_parte_otros PARTITION OF tbae050_parte DEFAULT")
    belong(ground.admin, "tbae050_parte", "tbae050_parte_2025", "tbae050_parte_otros")


class TestResponses:
    """Responses go with their records, errors with their responses."""

    def test_with_its_record_only_when_the_record_goes_whatever_its_own_age(self, ground: Ground) -> None:
        gone, stays = record(ground.admin), record(ground.admin, status=1)
        first, second = response(ground.admin, gone, time=NEW, status=1), response(ground.admin, gone, time=OLD)
        response(ground.admin, stays, time=OLD)
        assert goes(ground.site, RESPONSES) == {first, second}

    def test_where_one_uuid_is_in_two_tables_and_one_stays_the_response_stays(self, ground: Ground) -> None:
        both = record(ground.admin)
        record(ground.admin, both, table=INSCRIPTIONS, id_subsistema=1, time=NEW)
        response(ground.admin, both, time=OLD)
        twice = record(ground.admin)
        record(ground.admin, twice, table=INSCRIPTIONS, id_subsistema=1)
        answer = response(ground.admin, twice)
        assert goes(ground.site, RESPONSES) == {answer}

    def test_where_the_uuid_is_no_key_all_rows_of_it_must_go(self, ground: Ground) -> None:
        make_table(ground.admin, "tbae051_varios", "numero int")
        ground.admin.execute(
            "ALTER TABLE tbae051_varios DROP CONSTRAINT tbae051_varios_pkey, ADD PRIMARY KEY (uuid, numero)"
        )
        for uuid, second in (("a", OLD), ("b", NEW)):
            record(ground.admin, uuid, table="tbae051_varios", numero=1)
            record(ground.admin, uuid, table="tbae051_varios", numero=2, time=second)
        gone, _ = response(ground.admin, "a"), response(ground.admin, "b", time=OLD)
        assert goes(ground.site, RESPONSES) == {gone}

    def test_without_a_record_by_its_own_age_and_status(self, ground: Ground) -> None:
        gone = response(ground.admin, "nobody", time=OLD)
        response(ground.admin, "nobody", time=OLD, status=1)
        response(ground.admin, "nobody", time=NEW)
        response(ground.admin, "nobody", time="-infinity")
        response(ground.admin, "nobody", time="infinity")
        assert goes(ground.site, RESPONSES) == {gone}

    def test_errors_go_with_their_response(self, ground: Ground) -> None:
        gone, stays = record(ground.admin), record(ground.admin, time=NEW)
        wrong = error(ground.admin, response(ground.admin, gone))
        error(ground.admin, response(ground.admin, stays, time=OLD))
        orphan = error(ground.admin, response(ground.admin, "nobody", time=OLD))
        assert goes(ground.site, ERRORS) == {wrong, orphan}

    def test_of_a_record_whose_time_is_not_known_they_stay(self, ground: Ground) -> None:
        for time in (None, "infinity", "-infinity"):
            response(ground.admin, record(ground.admin, time=time), time=OLD)
        assert goes(ground.site, RESPONSES) == set()

    def test_of_a_refused_table_they_stay(self, ground: Ground) -> None:
        make_table(ground.admin, "tbae052_vieja", "")
        ground.admin.execute("ALTER TABLE tbae052_vieja SET UNLOGGED")
        response(ground.admin, record(ground.admin, table="tbae052_vieja"), time=OLD)
        assert goes(ground.site, RESPONSES) == set()

    @pytest.mark.parametrize("column", ["fecha_actualizacion", "id_estatus_procesamiento"])
    def test_of_a_table_that_cannot_be_judged_they_stay(self, ground: Ground, column: str) -> None:
        make_table(ground.admin, "tbae053_otra", "")
        response(ground.admin, record(ground.admin, table="tbae053_otra"), time=OLD)
        ground.admin.execute(f"ALTER TABLE tbae053_otra DROP COLUMN {column}")
        assert goes(ground.site, RESPONSES) == set()

    def test_of_a_table_that_the_site_leaves_out_they_stay(self, ground: Ground) -> None:
        response(ground.admin, record(ground.admin), time=OLD)
        site = ground.changed(tables=(INSCRIPTIONS, "tbae009*", "tbae010*"))
        assert goes(site, RESPONSES) == set()

    def test_of_a_table_that_came_after_the_run_began_they_stay(self, ground: Ground) -> None:
        gone = record(ground.admin)
        response(ground.admin, gone)
        stopped(ground, "run begun")
        make_table(ground.admin, "tbae054_nueva", "")
        record(ground.admin, "late", table="tbae054_nueva")
        answer = response(ground.admin, "late", time=OLD)
        purged = running.purge(ground.site)
        assert deleted(purged) == {DROPOUTS: 1, RESPONSES: 1}
        assert keys(ground.admin, RESPONSES) == {answer}
        assert deleted(running.purge(ground.site)) == {"tbae054_nueva": 1, RESPONSES: 1}


class TestBatches:
    """Ranges of blocks cut what is to go into batches."""

    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(rows=st.integers(0, 400), size=st.integers(1, 200), width=st.integers(0, 400), holes=st.integers(1, 9))
    def test_each_row_that_is_to_go_is_in_just_one_batch_and_no_other_row_in_any(
        self, ground: Ground, rows: int, size: int, width: int, holes: int
    ) -> None:
        ground.admin.execute(f"TRUNCATE {DROPOUTS}")
        times = " ".join(f"WHEN {n} THEN ({case.time})::timestamp" for n, case in enumerate(CASES))
        statuses = " ".join(f"WHEN {n} THEN {case.status}" for n, case in enumerate(CASES))
        ground.admin.execute(
            f"INSERT INTO {DROPOUTS} (uuid, motivo_baja, curp, id_estatus_procesamiento, fecha_actualizacion) "
            f"SELECT i::text, left(repeat('x', {width}), 200), i %% {holes}, CASE i %% {len(CASES)} {statuses} END, "
            f"CASE i %% {len(CASES)} {times} END FROM generate_series(1, {rows}) AS i".replace("%%", "%")
        )
        ground.admin.execute(f"DELETE FROM {DROPOUTS} WHERE curp = '1'")
        left = keys(ground.admin)
        expected = {key for key in left if CASES[int(key) % len(CASES)].goes}
        place = outlook.place_of(ground.changed(batch_rows=size))
        with looked(ground.site) as (connection, found, rules):
            (table,) = [one for one in found if one.name == DROPOUTS]
            survey = surveyed(ground.site)
            archivist = Archivist(connection, None, place.archive, rules, table)  # type: ignore[arg-type]
            ranges = list(running._ranges(table, survey, place))
            assert all(end == first for (_, end), (first, _) in itertools.pairwise(ranges))
            lines: list[bytes] = []
            for first, end in ranges:
                batch = Batch(run="r", name=table.name, number=1, epoch=1, first_block=first, end_block=end)
                with connection.cursor().copy(archivist._copy(batch, rules)) as copy:
                    lines += b"".join(map(bytes, copy)).splitlines()
        found_keys = [line.split(b"\t")[2].decode() for line in lines]
        assert len(found_keys) == len(set(found_keys))
        assert set(found_keys) == expected
        assert survey.qualifying == len(expected)
