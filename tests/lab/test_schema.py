"""The tables are those of SEP-MUSES, owned and granted as there, and hold invented records only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, LiteralString

import psycopg
import pytest

from lab import records, schema
from lab.place import SUPERUSER, Place

KEYS = {
    "tbae001_inscripcion": "uuid",
    "tbae002_bajas": "uuid",
    "tbae005_asistencias": "uuid",
    "tbae007_calificaciones": "uuid",
    "tbae009_respuesta": "id_respuesta",
    "tbae010_error": "id_error",
    "tbmu002_persona": "id_persona",
    "tbmu006_inscripcion": "id_inscripcion",
    "tbmu013_bajas": "id_baja",
    "tbmu018_asistencias": "id_asistencia",
    "tbmu019_calificaciones": "id_calificacion",
    "tbmu020_alumno": "id_alumno",
    "ctmu008_motivo_error": "id_motivo_error",
    "ctmu009_subsistema": "id_subsistema",
    "ctmu011_estatus_procesamiento": "id_estatus_procesamiento",
    "ctmu014_estatus_inscripcion": "id_estatus_inscripcion",
}
GIVEN = {
    "uuid": "character varying(36)",
    "id_operacion_origen": "character varying(50)",
    "id_subsistema": "integer",
    "matricula_alumno": "character varying(50)",
    "cct": "character varying(10)",
    "curp_actual": "character varying(18)",
    "rfc": "character varying(13)",
    "fecha_inscripcion": "timestamp without time zone",
    "fecha_actualizacion": "timestamp(6) without time zone",
    "id_estatus_procesamiento": "integer",
}
FOREIGN = {
    ("tbae001_inscripcion", "ctmu009_subsistema"),
    ("tbae001_inscripcion", "ctmu011_estatus_procesamiento"),
    ("tbae010_error", "tbae009_respuesta"),
    ("tbae010_error", "ctmu008_motivo_error"),
    ("tbmu006_inscripcion", "tbmu020_alumno"),
    ("tbmu006_inscripcion", "ctmu014_estatus_inscripcion"),
}


def rows(place: Place, query: LiteralString, role: str = SUPERUSER) -> list[tuple[Any, ...]]:
    with psycopg.connect(place.conninfo(role), options=f"-c search_path={place.schema}") as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def elsewhere(lab_place: Place) -> Iterator[Place]:
    """The same lab with a second schema, under a name that needs quoting."""
    place = replace(lab_place, schema='Muses "QA"')
    yield place
    with psycopg.connect(place.conninfo(SUPERUSER)) as connection:
        connection.execute('DROP SCHEMA IF EXISTS "Muses ""QA""" CASCADE')


def test_every_table_has_its_key(lab_place: Place) -> None:
    found = rows(
        lab_place,
        """SELECT table_name, column_name FROM information_schema.key_column_usage
        JOIN information_schema.table_constraints USING (constraint_name, constraint_schema, table_name)
        WHERE constraint_type = 'PRIMARY KEY' AND constraint_schema = current_schema()""",
    )
    assert dict(found) == KEYS


def test_the_enrolment_table_has_its_58_columns(lab_place: Place) -> None:
    found = dict(
        rows(
            lab_place,
            """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
            WHERE attrelid = 'tbae001_inscripcion'::regclass AND attnum > 0 AND NOT attisdropped""",
        )
    )
    assert len(found) == 58
    assert found.items() >= GIVEN.items()
    assert all(kind.startswith("character varying") for name, kind in found.items() if name not in GIVEN)


def test_the_foreign_keys_are_there(lab_place: Place) -> None:
    found = rows(
        lab_place,
        "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'",
    )
    assert set(found) >= FOREIGN


def test_a_row_is_as_wide_as_in_production(lab_place: Place) -> None:
    ((width,),) = rows(lab_place, "SELECT avg(pg_column_size(t.*)) FROM tbae001_inscripcion AS t")
    assert 600 < width < 850


def test_the_catalogues_are_filled(lab_place: Place) -> None:
    statuses = rows(lab_place, "SELECT descripcion FROM ctmu011_estatus_procesamiento WHERE activo = 'A'")
    assert {("RECIBIDO",), ("VALIDADO",), ("PROCESADO",), ("ERROR",)} <= set(statuses)
    assert rows(lab_place, "SELECT count(*) FROM ctmu009_subsistema") == [(12,)]


def test_the_past_is_whole_and_none_of_it_is_overdue(lab_place: Place) -> None:
    ((unanswered, overdue, errors),) = rows(
        lab_place,
        """SELECT count(*) FILTER (WHERE id_respuesta IS NULL),
            count(*) FILTER (WHERE fecha_actualizacion < localtimestamp - interval '90 days'),
            count(*) FILTER (WHERE staged.id_estatus_procesamiento = 4)
        FROM tbae001_inscripcion AS staged LEFT JOIN tbae009_respuesta USING (uuid)
        WHERE fecha_actualizacion < localtimestamp - interval '1 hour'""",
    )
    assert (unanswered, overdue) == (0, 0)
    assert errors > 0


def test_nobody_has_such_a_curp(lab_place: Place) -> None:
    found = rows(lab_place, "SELECT curp_actual FROM tbae001_inscripcion")
    assert found
    assert all(re.fullmatch(r"[A-Z]{4}\d\d90\d\d[HM]ZZ[A-Z]{3}\d\d", curp) for (curp,) in found)


def test_a_student_has_one_curp_and_no_other_student_has_it() -> None:
    numbers = range(0, 405_000_000, 40_009)
    assert len({records.curp(number) for number in numbers}) == len(numbers)
    assert records.curp(7) == records.curp(7)


def test_the_services_write_but_build_nothing(lab_place: Place) -> None:
    with psycopg.connect(lab_place.conninfo("muses_app")) as connection:
        connection.execute(f"SET search_path TO {lab_place.schema}")
        connection.execute("DELETE FROM tbae010_error WHERE false")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE nueva (a integer)")


def test_the_reader_sees_every_table_and_changes_none(lab_place: Place) -> None:
    for table in KEYS:
        rows(lab_place, f"SELECT FROM {table} LIMIT 1", "muses_reader")
    with psycopg.connect(lab_place.conninfo("muses_reader"), autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"DELETE FROM {lab_place.schema}.tbae010_error")


def test_the_operator_builds_an_index(lab_place: Place) -> None:
    with psycopg.connect(lab_place.conninfo("muses_operator")) as connection:
        connection.execute(f"CREATE INDEX ensayo ON {lab_place.schema}.ctmu009_subsistema (activo)")
        connection.rollback()


def test_the_schema_is_a_setting_and_is_made_once(elsewhere: Place) -> None:
    schema.install(elsewhere)
    schema.install(elsewhere)
    with psycopg.connect(elsewhere.conninfo("muses_reader")) as connection:
        counted = connection.execute('SELECT count(*) FROM "Muses ""QA""".tbae001_inscripcion').fetchone()
    assert counted == (schema.PAST_RECORDS,)
