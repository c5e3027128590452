"""How records of the exchange tables become rows of the register (TBMU*), and how each gets its answer.

Persons are looked up twice a record, one statement each, as batches grown over the years do: cheap with an index on
the CURP, and the reason that the batch stands still without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, LiteralString

from lab.records import FAILED, FINISHED, RECEIVED

if TYPE_CHECKING:
    import psycopg

    Session = psycopg.Connection[dict[str, Any]]

Row = dict[str, Any]
#: From what was looked for to the number that it has.
Numbers = dict[tuple[Any, ...], int]
#: Numbers in ctmu008_motivo_error.
UNKNOWN_TO_RENAPO, NO_SUCH_STUDENT = 1, 2

FIND_PERSON: LiteralString = "SELECT id_persona FROM tbmu002_persona WHERE curp = %s AND activo = 'A'"
FIND_STUDENT: LiteralString = "SELECT id_alumno FROM tbmu020_alumno WHERE id_persona = %s AND id_subsistema = %s"
#: Nothing in the table keeps a CURP from being there twice, so the statement looks for itself.
ADD_PERSON: LiteralString = """
    INSERT INTO tbmu002_persona
        (curp, rfc, nombre, primer_apellido, segundo_apellido, sexo, correo_electronico, telefono, fcreacion)
    SELECT %(curp_actual)s::varchar, %(rfc)s, %(nombre)s, %(primer_apellido)s, %(segundo_apellido)s, %(sexo)s,
        %(correo_institucional)s, %(telefono_celular)s, localtimestamp
    WHERE NOT EXISTS (SELECT FROM tbmu002_persona WHERE curp = %(curp_actual)s::varchar AND activo = 'A')
    RETURNING id_persona"""
RENEW_PERSON: LiteralString = """
    UPDATE tbmu002_persona
    SET correo_electronico = %(correo_institucional)s, telefono = %(telefono_celular)s, fmodificacion = localtimestamp
    WHERE curp = %(curp_actual)s AND activo = 'A'"""
ADD_STUDENT: LiteralString = """
    INSERT INTO tbmu020_alumno (id_persona, id_subsistema, matricula, fcreacion)
    VALUES (%s, %s, %s, localtimestamp) RETURNING id_alumno"""
ADD_ENROLMENT: LiteralString = """
    INSERT INTO tbmu006_inscripcion (id_alumno, id_estatus_inscripcion, id_ciclo_escolar, id_turno,
        id_subsistema, fecha_inscripcion, fcreacion)
    VALUES (%s, 1, %s, 1, %s, %s, localtimestamp)"""
ADD_OTHER: dict[str, LiteralString] = {
    "tbae002_bajas": """
        INSERT INTO tbmu013_bajas (id_persona, tipo_baja, motivo_baja, fcreacion)
        VALUES (%(id_persona)s, %(tipo_baja)s, %(motivo_baja)s, localtimestamp)""",
    "tbae005_asistencias": """
        INSERT INTO tbmu018_asistencias (id_persona, cve_asignatura, fcreacion)
        VALUES (%(id_persona)s, %(cve_asignatura)s, localtimestamp)""",
    "tbae007_calificaciones": """
        INSERT INTO tbmu019_calificaciones (id_persona, cve_asignatura, calificacion, fcreacion)
        VALUES (%(id_persona)s, %(cve_asignatura)s, %(calificacion)s, localtimestamp)""",
}

_ANSWER: LiteralString = """
    WITH settled AS (
        UPDATE {} SET id_estatus_procesamiento = %(status)s WHERE uuid = ANY(%(uuids)s) RETURNING uuid
    )
    INSERT INTO tbae009_respuesta (uuid, id_estatus_procesamiento, fecha_respuesta)
    SELECT uuid, %(status)s, clock_timestamp()::timestamp FROM settled RETURNING id_respuesta"""


def consolidate(session: Session, table: str, rows: Sequence[Row]) -> None:
    """Move these rows into the register and answer each, in the caller's transaction. Raises psycopg.Error."""
    strangers = [row for row in rows if row["id_estatus_procesamiento"] == RECEIVED]
    valid = [row for row in rows if row["id_estatus_procesamiento"] != RECEIVED]
    enrols = table == "tbae001_inscripcion"
    lost = _enrol(session, valid) if enrols else _add(session, ADD_OTHER[table], valid)
    _answer(session, table, [row for row in valid if row not in lost], FINISHED)
    _answer(session, table, strangers, FAILED, UNKNOWN_TO_RENAPO)
    _answer(session, table, lost, FAILED, NO_SUCH_STUDENT)


def _enrol(session: Session, rows: Sequence[Row]) -> list[Row]:
    by_curp = {row["curp_actual"]: row for row in rows}
    persons = _found(session, FIND_PERSON, [(curp,) for curp in by_curp])
    new = [row for curp, row in by_curp.items() if (curp,) not in persons]
    _do(session, RENEW_PERSON, [row for row in by_curp.values() if (row["curp_actual"],) in persons])
    persons |= zip([(row["curp_actual"],) for row in new], _added(session, ADD_PERSON, new), strict=True)
    places = {(persons[row["curp_actual"],], row["id_subsistema"]): row for row in rows}
    students = _found(session, FIND_STUDENT, list(places))
    missing = [place for place in places if place not in students]
    added = [(*place, places[place]["matricula_alumno"]) for place in missing]
    students |= zip(missing, _added(session, ADD_STUDENT, added), strict=True)
    _do(session, ADD_ENROLMENT, [_enrolment(row, persons, students) for row in rows])
    return []


def _enrolment(row: Row, persons: Numbers, students: Numbers) -> tuple[Any, ...]:
    student = students[persons[row["curp_actual"],], row["id_subsistema"]]
    return student, int(row["ciclo_escolar"][:4]), row["id_subsistema"], row["fecha_inscripcion"]


def _add(session: Session, statement: LiteralString, rows: Sequence[Row]) -> list[Row]:
    """Add what concerns a known person; what does not is given back."""
    persons = _found(session, FIND_PERSON, list({(row["curp"],) for row in rows}))
    known = [row | {"id_persona": persons[row["curp"],]} for row in rows if (row["curp"],) in persons]
    _do(session, statement, known)
    return [row for row in rows if (row["curp"],) not in persons]


def _found(session: Session, statement: LiteralString, keys: Sequence[tuple[Any, ...]]) -> Numbers:
    """What one statement a key finds, for the keys that have something; sent together, run one by one."""
    firsts = _first_values(session, statement, keys)
    return {key: value for key, value in zip(keys, firsts, strict=True) if value is not None}


def _do(session: Session, statement: LiteralString, rows: Sequence[Any]) -> None:
    with session.cursor() as cursor:
        cursor.executemany(statement, rows)


def _added(session: Session, statement: LiteralString, rows: Sequence[Any]) -> list[int]:
    """The numbers that the inserted rows got, in their order."""
    return [number for number in _first_values(session, statement, rows) if number is not None]


def _first_values(session: Session, statement: LiteralString, keys: Sequence[Any]) -> list[int | None]:
    """The first value of the first row that each key gives, None where it gives no row."""
    if not keys:
        return []
    with session.cursor() as cursor:
        cursor.executemany(statement, keys, returning=True)
        rows = [cursor.fetchone()]
        while cursor.nextset():
            rows.append(cursor.fetchone())
    return [next(iter(row.values())) if row else None for row in rows]


def _answer(session: Session, table: str, rows: Sequence[Row], status: int, reason: int | None = None) -> None:
    """Give the rows their last status, an answer each, and the reason where it is an error."""
    from psycopg import sql

    if not rows:
        return
    answers = session.execute(
        sql.SQL(_ANSWER).format(sql.Identifier(table)),
        {"uuids": [row["uuid"] for row in rows], "status": status},
    ).fetchall()
    if reason is not None:
        session.execute(
            "INSERT INTO tbae010_error (id_respuesta, id_motivo_error) SELECT unnest(%s::integer[]), %s",
            [[answer["id_respuesta"] for answer in answers], reason],
        )
