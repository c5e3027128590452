"""What an error in a log is about: its shape, so that thousands become one line, and its kind. Pure.

Services log text. A SQLSTATE decides where there is one; the words that drivers, PostgreSQL and Java's pools use (in
English and in PostgreSQL's Spanish) decide where not.
"""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["database", "message", "other"]

#: Longer than this nobody reads, and two errors that agree so far are the same.
LONGEST = 300

#: Looked for only where a word or a quotation begins, which is what makes it fast.
_VALUE = re.compile(
    r"""(?<![\w‹])(?=[\w"'«‘“.+%-])(?:(?P<kept>SQLSTATE[\W_]*[0-9A-Z]{5}\b)
    |(?P<tiempo>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|\s?[+-]\d\d:?\d\d)?)?)
    |(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)
    |(?P<CURP>[A-Z][AEIOUX][A-Z]{2}\d{6}[A-Z]{6}[A-Z\d]\d\b)
    |(?P<RFC>[A-ZÑ&]{3,4}\d{6}[A-Z\d]{2}[A\d]\b)
    |(?P<correo>[\w.+%-]++@[\w-]+(?:\.[\w-]+)+)
    |(?P<texto>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.|'')*'|«[^»\n]*»|‘[^’\n]*’|“[^”\n]*”)
    |(?P<hex>0x[0-9a-f]+\b|(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b)
    |(?P<n>[-+]?\d+(?:[.,:]\d+)*))""",
    re.VERBOSE | re.IGNORECASE,
)
_STATE = re.compile(r"SQLSTATE[\W_]*([0-9A-Z]{5})\b", re.IGNORECASE)

#: Class 08 connection, 28 authorisation, 53300 too many connections, 57P0x shutdown and start-up.
_NO_CONNECTION = re.compile(r"08|28|53300|57P0")
#: Class 22 data, 23 integrity: what is in the record itself.
_BAD_RECORD = re.compile(r"22|23")

_UNCONNECTED = re.compile(
    r"too many (?:connections|clients)|demasiad[ao]s (?:conexiones|clientes)|remaining connection slots"
    r"|connection(?: to \S+)? (?:refused|reset|failed|rejected|timed out|timeout|is not available)"
    r"|connection (?:has been |was |is )?closed"
    r"|conexión (?:rehusada|rechazada|reinicializada|fall|terminad|cerrad)"
    r"|(?:could not|cannot|unable to|failed to) (?:connect|establish|obtain)"
    r"|no se (?:pudo|puede) (?:conectar|establecer)"
    r"|connection to server|conexión (?:al|con el) servidor|server closed the connection|cerró la conexión"
    r"|terminating connection|terminando la conexión|connection attempt failed|timeout expired"
    r"|authentication failed|autentificación|pg_hba\.conf|database system is (?:starting|shutting|not)"
    r"|sistema de base de datos (?:está|no está)",
    re.IGNORECASE,
)
_POSTGRESQL = re.compile(
    r"postgres|psycopg|libpq|pgbouncer|asyncpg|jdbc|psqlexception|hikari|pg_hba|sep_muses|:5432\b|port 5432"
    r"|\bFATAL:|database|base de datos|\bBD\b|connection slots|too many (?:connections|clients)",
    re.IGNORECASE,
)
_BAD = re.compile(
    r"invalid|inválid|no válid|not valid|malform|mal formad|no cumple|does not match|no coincide|missing|faltan?\b"
    r"|required|obligatori|requerid|reject|rechaz|unexpected|inesperad|too long|demasiado larg"
    r"|out of range|fuera de rango"
    r"|(?:cannot|could not|can't) (?:be )?(?:pars|decod|read)|no se pudo (?:leer|interpretar|decodificar)"
    r"|validationerror|decodeerror|parseerror|mismatchedinput",
    re.IGNORECASE,
)
_RECORD = re.compile(
    r"message|mensaje|record|registro|event|payload|json|xml|csv|curp|\brfc\b|field|campo|column|columna|schema|esquema"
    r"|formato?\b|validation|validación|\bvalues?\b|valor",
    re.IGNORECASE,
)


def shape(words: str) -> str:
    """The error without what differs from one time to the next: ``‹n›`` for numbers, ``‹CURP›``, ``‹texto›`` …"""
    return _VALUE.sub(_mark, " ".join(words[: 4 * LONGEST].split()))[:LONGEST]


def kind_of(words: str) -> Kind:
    """``"database"`` when PostgreSQL could not be reached or refused, ``"message"`` when the record itself is bad."""
    state = _STATE.search(words)
    if state is not None:
        return _kind_of_state(state[1].upper())
    if _UNCONNECTED.search(words) and _POSTGRESQL.search(words):
        return "database"
    return "message" if _BAD.search(words) and _RECORD.search(words) else "other"


def _kind_of_state(state: str) -> Kind:
    if _NO_CONNECTION.match(state):
        return "database"
    return "message" if _BAD_RECORD.match(state) else "other"


def _mark(match: re.Match[str]) -> str:
    return match[0] if match.lastgroup == "kept" else f"‹{match.lastgroup}›"
