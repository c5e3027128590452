"""Archived rows as they may be shown: without the person, unless somebody asks to see the person and says so."""

from __future__ import annotations

import re

from procedures.archive.searching import Row
from runbook.redact import masked

#: What the redaction of logs does not know as personal by its name, but a row of enrolment is: the rest of the
#: address, numbers that name one person, and what the law calls sensitive.
_PERSONAL = re.compile(
    r"nss|matricula(?:_\w+)?|fecha_nacimiento|numero_(?:exterior|interior)|colonia|codigo_postal|municipio|localidad"
    r"|folio_\w+|sexo|genero|entidad_nacimiento|nacionalidad|estado_civil|lengua_indigena|discapacidad"
    r"|(?:nombre|apellido|curp|rfc|telefono|celular|correo|email|domicilio|direccion|calle)(?:_\w+)?"
    r"|\w+_(?:nombres?|apellido|curp|rfc|telefono|celular|correo|email|domicilio|direccion|calle)",
    re.IGNORECASE,
)
#: Names of things that only look like those of persons.
_IMPERSONAL = re.compile(r"nombre_(?:plantel|programa_academico|institucion|asignatura|carrera)", re.IGNORECASE)


def is_personal(column: str) -> bool:
    """Whether a column's values are a person's own, by its name."""
    return bool(_PERSONAL.fullmatch(column)) and not _IMPERSONAL.fullmatch(column)


def without_person(row: Row) -> Row:
    """The row with every personal value as a mark such as ``‹curp_actual›``; free text is masked by patterns."""
    plain: Row = masked({name: _mark(name) if value and is_personal(name) else value for name, value in row.items()})
    return plain


def _mark(column: str) -> str:
    return f"‹{column.lower()}›"
