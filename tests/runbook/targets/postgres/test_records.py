"""The records: exact numbers from known rows, in the site's zone whatever the server's is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings.records import RecordsSettings
from runbook.targets.postgres.database import Database
from runbook.targets.postgres.record_structs import Absent, Duplicates, Enrolments, MotiveUse
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.postgres.test_exchange import MINUTE, answer, finish, stage
from tests.runbook.targets.servers_postgres import Connection

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STRANGER = "XXAB012041HZZBCD01"
ABSENT = ("absent_from_core", DAY, 10 * MINUTE)


def test_what_stands_by_status_and_subsystem(database: Database, admin: Connection) -> None:
    stage(admin, "a", age=3 * DAY, subsystem=4)
    stage(admin, "b", age=HOUR, subsystem=4)
    stage(admin, "c", age=None, subsystem=4)
    stage(admin, "d", age=HOUR, status=3, subsystem=5, table="tbae002_bajas")
    admin.execute("INSERT INTO tbae005_asistencias (uuid) VALUES ('e')")
    first, second, third = database.standing()
    assert (first.table, first.status_id, first.subsystem_id) == ("tbae001_inscripcion", 1, 4)
    assert (first.records, first.null_times, len(first.days)) == (3, 1, 2)
    assert first.oldest is not None
    assert first.newest is not None
    assert 3 * DAY <= first.oldest < 3 * DAY + MINUTE
    assert HOUR <= first.newest < HOUR + MINUTE
    assert (first.status, first.ended) == ("RECIBIDO", False)
    assert (second.table, second.status_id, second.subsystem_id) == ("tbae002_bajas", 3, 5)
    assert (second.status, second.ended) == ("PROCESADO", True)
    assert (third.status_id, third.subsystem_id, third.oldest, third.days) == (None, None, None, ())
    assert (third.status, third.ended) == ("", False)


def test_what_the_catalogues_hold_and_which_motives_are_used(database: Database, admin: Connection) -> None:
    admin.execute("UPDATE ctmu009_subsistema SET activo = 'I' WHERE id_subsistema = 7")
    finish(admin, "a", took=MINUTE)
    admin.execute(
        "INSERT INTO tbae010_error (id_respuesta, id_motivo_error) SELECT id_respuesta, 2 FROM tbae009_respuesta"
    )
    found = database.catalogue_values()
    assert {(one.catalogue, one.name) for one in found if one.id == 1} == {
        ("ctmu011_estatus_procesamiento", "RECIBIDO"),
        ("ctmu009_subsistema", "SUBSISTEMA TECNOLOGICO DE ENSAYO"),
        ("ctmu008_motivo_error", "CURP NO LOCALIZADA EN RENAPO"),
        ("ctmu014_estatus_inscripcion", "INSCRITO"),
    }
    assert [one.id for one in found if not one.active] == [7]
    assert database.motive_uses() == (MotiveUse(motive_id=2, errors=1),)


class TestDuplicates:
    """The same event twice, by the columns that make it one."""

    def attend(self, admin: Connection, uuid: str, *, ago: timedelta = HOUR, course: str = "ASG-001") -> None:
        admin.execute(
            "INSERT INTO tbae005_asistencias (uuid, curp, fecha_asistencia, cve_asignatura, fecha_actualizacion)"
            " VALUES (%s, %s, '2026-11-02 08:00', %s, localtimestamp - %s)",
            [uuid, STRANGER, course, ago],
        )

    def test_copies_and_events(self, database: Database, admin: Connection) -> None:
        for uuid, ago in (("a", 3), ("b", 2), ("c", 1)):
            self.attend(admin, uuid, ago=ago * HOUR)
        self.attend(admin, "other", course="ASG-002")
        self.attend(admin, "long ago", ago=40 * DAY)
        found = database.duplicates(30 * DAY)[2]
        assert found == Duplicates(
            table="tbae005_asistencias",
            key=("curp", "cve_asignatura", "fecha_asistencia"),
            copies=2,
            events=1,
            sample=("c",),
        )

    def test_the_site_says_what_makes_an_event(self, make_database: MakeDatabase, admin: Connection) -> None:
        self.attend(admin, "a")
        self.attend(admin, "b", course="ASG-002")
        keys = {"tbae005_asistencias": ("curp", "fecha_asistencia"), "tbae002_bajas": ("no_such_column",)}
        found = make_database(records=RecordsSettings(keys=keys)).duplicates(DAY)
        assert [(one.key, one.copies) for one in found[1:3]] == [((), 0), (("curp", "fecha_asistencia"), 1)]


def test_answers_by_subsystem_and_motive_without_mere_warnings(database: Database, admin: Connection) -> None:
    for name, subsystem in (("a", 4), ("b", 4), ("c", 5)):
        stage(admin, name, age=2 * HOUR, status=3, subsystem=subsystem)
        answer(admin, name, ago=MINUTE)
    stage(admin, "waits", age=HOUR, subsystem=4)
    stage(admin, "long ago", age=3 * DAY, status=4, subsystem=4)
    answer(admin, "long ago", ago=2 * DAY)
    admin.execute(
        "INSERT INTO tbae010_error (id_respuesta, id_motivo_error)"
        " SELECT id_respuesta, motive FROM tbae009_respuesta, unnest(ARRAY[1, 2, 4]) AS motive WHERE uuid = 'a'"
    )
    found = database.answers(DAY)
    assert [(one.subsystem_id, one.motive_id, one.records) for one in found] == [
        (4, 1, 1),
        (4, 2, 1),
        (4, None, 2),
        (5, None, 1),
    ]
    assert {one.table for one in found} == {"tbae001_inscripcion"}


class TestAbsent:
    """Answered as consolidated, and nothing in the core."""

    @pytest.fixture(autouse=True)
    def _core(self, admin: Connection) -> None:
        """One person, a student of subsystem 4, enrolled."""
        admin.execute(
            "WITH p AS (INSERT INTO tbmu002_persona (curp, fcreacion) VALUES (%s, now()) RETURNING id_persona),"
            " s AS (INSERT INTO tbmu020_alumno (id_persona, id_subsistema, fcreacion) SELECT id_persona, 4, now()"
            " FROM p RETURNING id_alumno) INSERT INTO tbmu006_inscripcion (id_alumno, fecha_inscripcion, fcreacion)"
            " SELECT id_alumno, now(), now() FROM s",
            [STRANGER],
        )

    def consolidate(
        self, admin: Connection, uuid: str, *, curp: str = STRANGER, ago: timedelta = HOUR, subsystem: int = 4
    ) -> None:
        stage(admin, uuid, age=ago + MINUTE, status=3, subsystem=subsystem)
        admin.execute("UPDATE tbae001_inscripcion SET curp_actual = %s WHERE uuid = %s", [curp, uuid])
        answer(admin, uuid, ago=ago)

    def test_an_enrolment_is_looked_for_in_its_subsystem(self, database: Database, admin: Connection) -> None:
        self.consolidate(admin, "there")
        self.consolidate(admin, "elsewhere", subsystem=5)
        self.consolidate(admin, "nobody", curp="XXAB012042HZZBCD02")
        self.consolidate(admin, "just now", curp="XXAB012042HZZBCD02", ago=MINUTE)
        self.consolidate(admin, "long ago", curp="XXAB012042HZZBCD02", ago=2 * DAY)
        found = database.absent_from_core(DAY, 10 * MINUTE)[0]
        assert found == Absent(
            table="tbae001_inscripcion",
            by=("tbmu002_persona", "tbmu020_alumno", "tbmu006_inscripcion"),
            answered=3,
            absent=2,
            sample=found.sample,
        )
        assert set(found.sample) == {"elsewhere", "nobody"}

    def test_what_is_the_persons_is_looked_for_by_the_person(self, database: Database, admin: Connection) -> None:
        insert = "INSERT INTO tbae007_calificaciones (uuid, curp, id_estatus_procesamiento) VALUES (%s, %s, 3)"
        for uuid in ("a", "b"):
            admin.execute(insert, [uuid, STRANGER])
            answer(admin, uuid, ago=HOUR)
        assert (
            database.absent_from_core(DAY, MINUTE)[3].answered,
            database.absent_from_core(DAY, MINUTE)[3].absent,
        ) == (2, 2)
        admin.execute(
            "INSERT INTO tbmu019_calificaciones (id_persona, fcreacion) SELECT id_persona, now() FROM tbmu002_persona"
        )
        found = database.absent_from_core(DAY, MINUTE)[3]
        assert (found.by, found.absent) == (("tbmu002_persona", "tbmu019_calificaciones"), 0)


def test_enrolments_and_what_siged_has_not_been_told(database: Database, admin: Connection) -> None:
    insert = (
        "INSERT INTO tbmu006_inscripcion (id_estatus_inscripcion, id_subsistema, fecha_inscripcion, fcreacion,"
        " notificado_siged, activo) VALUES (1, 4, localtimestamp, localtimestamp - %s, %s, %s)"
    )
    for ago, told, active in ((HOUR, True, "A"), (2 * HOUR, False, "A"), (3 * HOUR, None, None), (DAY, False, "I")):
        admin.execute(insert, [ago, told, active])
    (found,) = database.enrolments()
    assert found == Enrolments(status_id=1, subsystem_id=4, records=4, untold=2, oldest_untold=found.oldest_untold)
    assert found.oldest_untold is not None
    assert 3 * HOUR <= found.oldest_untold < 3 * HOUR + MINUTE


@pytest.mark.parametrize(
    ("asked", "changes"),
    [
        (("answers", DAY), {"unfinished_statuses": ("RECIVIDO",)}),
        (ABSENT, {"records": RecordsSettings(consolidated_statuses=("PROSESADO",))}),
        (("standing",), {"time_column": "fecha"}),
        (("duplicates", DAY), {"exchange_tables": ("tbae099_nada",)}),
    ],
)
def test_a_name_that_is_not_there_is_told(
    make_database: MakeDatabase, admin: Connection, asked: tuple[object, ...], changes: dict[str, object]
) -> None:
    with pytest.raises(ProbeError) as caught:
        getattr(make_database(**changes), str(asked[0]))(*asked[1:])
    assert caught.value.kind is ProbeFailure.ABSENT
