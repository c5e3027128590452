"""Invented records: what reception publishes, what bulk loads copy in, what the lab's past is made of.

They are invented so that nobody can take them for a person's: CURPs have the true form but a day that no month has
and a state that Mexico lacks, names say that they are fiction, addresses end in ``.invalid``. The same number always
gives the same student, so that students come back and the register does not grow for ever.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import psycopg

#: The site's zone: columns without a zone hold its local time.
ZONE = ZoneInfo("America/Mexico_City")
#: Numbers of the students that exist. Bulk loads take theirs from above.
STUDENTS = 20_000
#: The catalogue numbers of this site (they differ between sites, so only the lab itself may know them).
RECEIVED, VALIDATED, FINISHED, FAILED = 1, 2, 3, 4
SUBSYSTEMS = 12

_NAMES = ("FICTICIA", "INVENTADO", "IMAGINARIA", "SUPUESTO", "QUIMERA", "EJEMPLO", "ENSAYO")
_SURNAMES = ("DELABORATORIO", "DEPRUEBA", "NOEXISTE", "DEMENTIRA", "SINTETICO", "DEMUESTRA", "APOCRIFO", "DEFABULA")
_STREETS = ("CALLE QUE NO EXISTE", "AVENIDA DEL ENSAYO", "PRIVADA DE LA FICCION", "ANDADOR IMAGINARIO")
_PROGRAMMES = ("INGENIERIA EN SISTEMAS INVENTADOS", "LICENCIATURA EN FICCION APLICADA", "ARQUITECTURA IMAGINARIA")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Record = dict[str, Any]


def curp(student: int) -> str:
    """The student's CURP, unique up to 405 million: right in form, impossible in its date and its state."""
    rest, last = divmod(student, 100)
    rest, year = divmod(rest, 100)
    rest, day = divmod(rest, 60)
    first, second = divmod(rest % 676, 26)
    sex = "HM"[student % 2]
    return f"XX{_LETTERS[first]}{_LETTERS[second]}{year:02d}90{day + 40}{sex}ZZBCD{last:02d}"


def known_to_renapo(of: str) -> bool:
    """Whether RENAPO would know the CURP: one student in a hundred is a stranger, always the same ones."""
    return not of.endswith("07")


def enrolment(student: int) -> Record:
    """One enrolment as a subsystem sends it: all columns of ``tbae001_inscripcion`` but the two that we fill in."""
    return {**_operation(student), **_person(student), **_contact(student), **_studies(student)}


def leave(student: int) -> Record:
    """One student leaving, for ``tbae002_bajas``."""
    return {
        "uuid": str(uuid.uuid4()),
        "id_subsistema": _subsystem(student),
        "matricula_alumno": _matricula(student),
        "tipo_baja": "TEMPORAL",
        "motivo_baja": "MOTIVO INVENTADO",
        "curp": curp(student),
        "fecha_baja": datetime.now(ZONE).isoformat(),
    }


def attendance(student: int) -> Record:
    """One attendance, for ``tbae005_asistencias``."""
    return {
        "uuid": str(uuid.uuid4()),
        "curp": curp(student),
        "fecha_asistencia": _local_now().isoformat(),
        "cve_asignatura": f"ASG-{student % 40:03d}",
    }


def grade(student: int) -> Record:
    """One grade, for ``tbae007_calificaciones``."""
    return {
        "uuid": str(uuid.uuid4()),
        "curp": curp(student),
        "cve_asignatura": f"ASG-{student % 40:03d}",
        "calificacion": f"{6 + student % 41 / 10:.1f}",
        "fecha_calificacion": _local_now().isoformat(),
    }


def finished(student: int, at: datetime) -> tuple[Any, ...]:
    """A row of ``tbae001_inscripcion`` that has been consolidated; ``at`` is the site's local time."""
    status = FINISHED if known_to_renapo(curp(student)) else FAILED
    return (*(enrolment(student) | {"fecha_inscripcion": at}).values(), at, status)


def waiting(student: int, at: datetime, **columns: object) -> tuple[Any, ...]:
    """A row of ``tbae001_inscripcion`` that waits for consolidation, some of its ``columns`` as given."""
    return (*(enrolment(student) | columns).values(), at, VALIDATED)


def copy_enrolments(connection: psycopg.Connection[Any], rows: Iterable[tuple[Any, ...]]) -> None:
    """Copy whole rows into ``tbae001_inscripcion`` of the connection's search path, in the caller's transaction."""
    from psycopg import sql

    columns = (*ENROLMENT_COLUMNS, "fecha_actualizacion", "id_estatus_procesamiento")
    statement = sql.SQL("COPY tbae001_inscripcion ({}) FROM STDIN").format(
        sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def malformed(count: int) -> Iterator[bytes]:
    """Bodies that no worker can take, in the three shapes that a sender's mistakes have: cut, incomplete, unknown."""
    for number in range(count):
        event = {"tipo": "inscripcion", "transaction_id": str(uuid.uuid4()), "registro": {}}
        unknown = event | {"tipo": "traslado", "curp": curp(number)}
        whole = json.dumps(event).encode()
        yield (whole[:-20], whole, json.dumps(unknown).encode())[number % 3]


def _local_now() -> datetime:
    return datetime.now(ZONE).replace(tzinfo=None)


def _subsystem(student: int) -> int:
    return student % SUBSYSTEMS + 1


def _matricula(student: int) -> str:
    return f"LAB{student:010d}"


def _operation(student: int) -> Record:
    return {
        "uuid": str(uuid.uuid4()),
        "id_operacion_origen": f"LOTE-{_subsystem(student):02d}-{student // 1000:06d}",
        "id_subsistema": _subsystem(student),
        "matricula_alumno": _matricula(student),
        "cct": f"99ZZZ{student % 10_000:04d}X",
    }


def _person(student: int) -> Record:
    own = curp(student)
    return {
        "curp_actual": own,
        "curp_anterior": None,
        "rfc": f"{own[:10]}ZZ{student % 10}",
        "nss": f"99{student:09d}",
        "nombre": f"{_NAMES[student % 7]} {_NAMES[student // 7 % 7]}",
        "primer_apellido": _SURNAMES[student % 8],
        "segundo_apellido": _SURNAMES[student // 8 % 8],
        "fecha_nacimiento": f"{own[8:10]}/{own[6:8]}/20{own[4:6]}",
        "sexo": own[10],
        "entidad_nacimiento": "ENTIDAD DE FABULA",
        "nacionalidad": "MEXICANA",
        "estado_civil": "SOLTERO",
        "lengua_indigena": None,
        "discapacidad": "NINGUNA",
    }


def _contact(student: int) -> Record:
    return {
        "telefono_fijo": f"00{student:08d}",
        "telefono_celular": f"01{student:08d}",
        "telefono_emergencia": f"02{student:08d}",
        "correo_personal": f"alumno.{student}@correo.invalid",
        "correo_institucional": f"lab{student:010d}@subsistema-{_subsystem(student)}.invalid",
        "calle": _STREETS[student % 4],
        "numero_exterior": str(student % 900 + 1),
        "numero_interior": None,
        "colonia": "COLONIA DE LOS ENSAYOS",
        "codigo_postal": f"00{student % 1000:03d}",
        "municipio": "MUNICIPIO INEXISTENTE",
        "entidad_federativa": "ENTIDAD DE FABULA",
        "pais": "MEXICO",
    }


def _studies(student: int) -> Record:
    subsystem, programme = _subsystem(student), student % 3
    return {
        "fecha_inscripcion": _local_now().isoformat(),
        "ciclo_escolar": "2026-2027",
        "periodo_escolar": "2026-2",
        "tipo_inscripcion": "INSCRIPCION",
        "tipo_ingreso": "NUEVO INGRESO",
        "estatus_inscripcion": "INSCRITO",
        "turno": ("MATUTINO", "VESPERTINO", "MIXTO")[programme],
        "modalidad": "ESCOLARIZADA",
        "nivel_educativo": "LICENCIATURA",
        "cve_programa_academico": f"PRG-{subsystem:02d}-{programme:03d}",
        "nombre_programa_academico": _PROGRAMMES[programme],
        "cve_plan_estudios": "PLAN-2024",
        "rvoe": f"RVOE-ENSAYO-{student % 500:04d}",
        "grado": str(student % 9 + 1),
        "grupo": _LETTERS[student % 6],
        "creditos_inscritos": "48",
        "cve_plantel": f"PLT-{subsystem:02d}-{student % 30:03d}",
        "nombre_plantel": f"PLANTEL IMAGINARIO {student % 30}",
        "tipo_beca": "SIN BECA",
        "institucion_procedencia": "BACHILLERATO DE FICCION",
        "cct_procedencia": f"99ZZB{student % 10_000:04d}",
        "fecha_certificado": "2026-07-15",
        "folio_certificado": f"FOLIO-{student:012d}",
        "promedio_certificado": f"{7 + student % 31 / 10:.1f}",
    }


#: The columns that a subsystem sends, in the table's order.
ENROLMENT_COLUMNS = tuple(enrolment(0))
