"""Archived rows are found where they lie, and shown without the person."""

from __future__ import annotations

import hashlib
import tempfile
from datetime import date
from pathlib import Path

import pytest

from lab import records
from procedures.archive.choosing import Wanted
from procedures.archive.querying import query
from procedures.archive.reading import Archive, Selection
from procedures.archive.searching import search
from procedures.archive.showing import is_personal, without_person
from runbook.errors import ActionError
from tests.procedures.archive.test_verifying import flipped
from tests.procedures.archiver import Archiver, enrol
from tests.runbook.targets.servers_postgres import Connection

TABLE, LEAVES, RESPONSES = "tbae001_inscripcion", "tbae002_bajas", "tbae009_respuesta"


def digest(curp: str) -> str:
    """As a person gives a CURP."""
    return hashlib.sha256(curp.upper().encode()).hexdigest()


def test_by_uuid_in_every_table_that_has_it(archive: Archive, archiver: Archiver, admin: Connection) -> None:
    uuids = enrol(admin, range(20))
    archiver.archive(TABLE, "id_subsistema < 6")
    archiver.archive(TABLE, "id_subsistema >= 6")
    archiver.archive(RESPONSES)
    found = search(archive, Wanted(uuids=(uuids[4].upper(),)))
    assert [one.table for one in found.rows] == [TABLE, RESPONSES]
    assert found.rows[0].row["curp_actual"] == records.curp(4)
    assert (found.matches, found.batches, found.looked_through) == (2, 3, 40)


def test_by_the_hash_of_a_curp(archive: Archive, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, range(20))
    admin.execute(f"UPDATE {TABLE} SET curp_anterior = lower(curp_actual), curp_actual = NULL WHERE id_subsistema = 4")
    archiver.archive(TABLE)
    archiver.archive(RESPONSES)
    for student in (3, 5):
        (found,) = search(archive, Wanted(curp_hash=digest(records.curp(student)))).rows
        assert found.row["matricula_alumno"] == f"LAB{student:010d}"
    nobody = search(archive, Wanted(curp_hash=digest("XXAB009040HZZBCD99")))
    assert (nobody.rows, nobody.matches, nobody.batches, nobody.looked_through) == ((), 0, 1, 20)
    assert nobody.without == (RESPONSES,)


def test_by_table_and_days_all_are_counted(archive: Archive, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, range(10), "2024-03-01 08:00:00")
    enrol(admin, range(10, 50), "2024-03-02 08:00:00")
    archiver.archive(TABLE)
    wanted = Wanted(selection=Selection(tables=(TABLE,), since=date(2024, 3, 2), until=date(2024, 3, 3)))
    found = search(archive, wanted, most=7)
    assert (len(found.rows), found.matches, found.looked_through) == (7, 40, 50)


def test_what_could_not_be_looked_through_is_told(archive: Archive, archiver: Archiver, admin: Connection) -> None:
    uuids = enrol(admin, range(20))
    archiver.archive(TABLE, "id_subsistema < 6", spoil=flipped)
    archiver.archive(TABLE, "id_subsistema >= 6")
    found = search(archive, Wanted(uuids=tuple(uuids)))
    assert len(found.problems) == 1
    assert (found.batches, found.matches) == (1, found.looked_through)


def test_values_are_as_they_were(archive: Archive, archiver: Archiver, admin: Connection) -> None:
    words = 'tab\t "quoted" \\N line\nend\\ ñ \b'
    admin.execute(f"INSERT INTO {LEAVES} (uuid, motivo_baja, tipo_baja) VALUES ('u', %s, '')", [words])
    archiver.archive(LEAVES)
    (found,) = search(archive, Wanted()).rows
    assert (found.row["motivo_baja"], found.row["tipo_baja"], found.row["curp"]) == (words, "", None)
    (row,) = query(archive, Wanted(), "select motivo_baja, tipo_baja, curp from archive", reveal=True).rows
    assert row == {"motivo_baja": words, "tipo_baja": "", "curp": None}


def test_a_row_is_shown_without_the_person(archive: Archive, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, [7])
    admin.execute(f"UPDATE {TABLE} SET discapacidad = 'ALGUNA', tipo_beca = %s", [f"de {records.curp(7)}"])
    archiver.archive(TABLE)
    (found,) = search(archive, Wanted()).rows
    shown = without_person(found.row)
    person = {**records.enrolment(7)}
    for name in (
        "curp_actual",
        "rfc",
        "nss",
        "nombre",
        "primer_apellido",
        "telefono_celular",
        "correo_personal",
        "calle",
        "colonia",
        "codigo_postal",
        "fecha_nacimiento",
        "matricula_alumno",
        "discapacidad",
    ):
        assert shown[name] == f"‹{name}›"
    assert shown["tipo_beca"] == "de ‹CURP›"
    assert shown["curp_anterior"] is None
    assert shown["nombre_plantel"] == person["nombre_plantel"]
    assert shown["uuid"] == found.row["uuid"]


@pytest.mark.parametrize(
    "name", ["curp", "RFC", "nombre_tutor", "correo_tutor", "telefono", "direccion", "tutor_nombre"]
)
def test_columns_of_other_sites_are_personal_by_their_names(name: str) -> None:
    assert is_personal(name)
    assert not is_personal("id_subsistema")


def test_sql_over_the_archive(archive: Archive, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, range(24))
    archiver.archive(TABLE, "id_subsistema < 6")
    archiver.archive(TABLE, "id_subsistema >= 6")
    archiver.archive(RESPONSES)
    asked = (
        "select id_subsistema, count(*) as n from archive where archive_table like 'tbae001%' group by 1 order by n, 1"
    )
    answer = query(archive, Wanted(), asked, reveal=False)
    assert answer.rows[0] == {"id_subsistema": "1", "n": "2"}
    assert (len(answer.rows), answer.batches, answer.looked_through, answer.more) == (12, 3, 48, False)
    assert query(archive, Wanted(), "select * from archive", reveal=False, most=5).more


def test_no_alias_gets_round_the_marks(archive: Archive, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, [7])
    archiver.archive(TABLE)
    asked = "select substr(curp_actual, 1, 4) as a, nombre || '' as b, curp_anterior as c from archive"
    assert query(archive, Wanted(), asked, reveal=False).rows == ({"a": "‹cur", "b": "‹nombre›", "c": None},)
    (row,) = query(archive, Wanted(), asked, reveal=True).rows
    assert row["a"] == records.curp(7)[:4]


@pytest.mark.parametrize(
    "question",
    [
        "copy archive to 'stolen.csv'",
        "select * from read_csv('/etc/passwd')",
        "select 1; select 2",
        "drop table archive",
        "set enable_external_access = true",
        "attach 'other.db'",
        "no sql",
        "select no_such_column from archive",
    ],
)
def test_a_question_is_a_select_and_touches_no_file(
    archive: Archive, archiver: Archiver, admin: Connection, question: str
) -> None:
    enrol(admin, [1])
    archiver.archive(TABLE)
    with pytest.raises(ActionError):
        query(archive, Wanted(), question, reveal=False)
    assert not Path("stolen.csv").exists()


def test_sql_leaves_nothing_on_the_disk(
    archive: Archive, archiver: Archiver, admin: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(admin, [1])
    archiver.archive(TABLE)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    modes: list[int] = []

    def look(progress: object) -> None:
        modes.extend(folder.stat().st_mode & 0o777 for folder in tmp_path.glob("muses-archive-*"))

    query(archive, Wanted(), "select 1 from archive", reveal=True, watch=look)
    assert modes == [0o700]
    assert not list(tmp_path.glob("muses-archive-*"))
