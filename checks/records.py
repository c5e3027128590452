"""The records themselves (Guía de Operaciones §1, flujo de datos): whole, once, known, and where they should be."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _records
from runbook.limits import Limits, Threshold
from runbook.rows import row
from runbook.text import text

if TYPE_CHECKING:
    from runbook.targets.postgres.database import Database

TIMELESS = text(
    "A record without a time is never purged and has no age. See what they have in common: `SELECT id_subsistema, "
    "id_estatus_procesamiento, count(*) FROM TABLE WHERE fecha_actualizacion IS NULL GROUP BY 1, 2`. Mend what writes "
    "them first; then a person decides which time they get: that of their answer (`tbae009_respuesta`), where they "
    "have one, is the latest that can be true"
)
TWICE = text(
    "See the copies: `SELECT uuid, fecha_actualizacion, id_estatus_procesamiento FROM TABLE WHERE (KEY) = (…) ORDER "
    "BY fecha_actualizacion`. A whole lot twice: the subsystem sent it again, ask it why. Single ones: the gateway or "
    "the reception repeats what it takes for failed. Remove none by hand before it is known what the core made of "
    "both. If the columns do not tell an event apart here, set database.records.keys"
)
CATALOGUES = text(
    "Ask who keeps the catalogue whether the value is new (then it is added: `INSERT INTO CATALOGUE …`) or wrong (then "
    "the subsystem sends the records again). Records with a status that is not there are worked on by nobody"
)
LOST = text(
    "The subsystem was told that these are consolidated. See one: `SELECT * FROM tbae009_respuesta WHERE uuid = '…'` "
    "and its record in the exchange table, then `SELECT id_persona, activo FROM tbmu002_persona WHERE curp = '…'`. "
    "Look for the moment in the log of the consolidation service: an answer that was committed without the record. "
    "Have the service take them again; answer nothing by hand"
)


@row(
    "STAGE-03",
    source="Modelo de datos: fecha_actualizacion puede ser NULL; esos registros se reportan y nunca se purgan",
    es="Todo registro de las tablas de intercambio tiene su fecha",
    # One is a fault of what wrote it; a hundred are a fault that goes on.
    threshold=Threshold(warning=0, critical=100, unit="records"),
    person=TIMELESS,
)
def check_records_have_a_time(database: Database, limits: Limits) -> None:
    """Every record of the exchange tables has its time.

    One without is never purged, has no latency, and waits for ever without anybody seeing it.
    """
    _records.judge_times(database.standing(), limits)


@row(
    "STAGE-04",
    source="práctica común: un lote reenviado no debe contar dos veces",
    es="Ningún evento está dos veces en las tablas de intercambio",
    threshold=Threshold(warning=0, critical=100, unit="records"),
    settings={"look_back": timedelta(days=30)},
    person=TWICE,
)
def check_records_are_there_once(database: Database, limits: Limits) -> None:
    """No event is in the exchange tables twice.

    A lot that is sent again gets new keys, so nothing in the tables stops it: the core may count a student twice.
    """
    _records.judge_duplicates(database.duplicates(limits.span("look_back")), limits)


@row(
    "STAGE-05",
    source="Guía de Operaciones §1: el Servicio de Consolidación valida contra los catálogos CTMU*",
    es="Los catálogos tienen todos los valores que los registros usan",
    threshold=Threshold(warning=0, critical=100, unit="records"),
    person=CATALOGUES,
)
def check_catalogues_are_complete(database: Database, limits: Limits) -> None:
    """The catalogues have all values that records use.

    What refers to nothing is refused or, worse, taken and counted nowhere.
    """
    used = _records.uses(database.standing(), database.enrolments(), database.motive_uses())
    _records.judge_catalogues(database.catalogue_values(), used, limits)


@row(
    "STAGE-06",
    source="Modelo de datos: un registro respondido como procesado tiene su fila en TBMU*",
    es="Lo que se respondió como procesado está en el núcleo",
    threshold=Threshold(warning=0, critical=100, unit="records"),
    settings={
        "window": timedelta(hours=24),
        # An answer may be committed a little before what it answers for.
        "settle": timedelta(minutes=10),
    },
    person=LOST,
)
def check_answered_records_are_in_the_core(database: Database, limits: Limits) -> None:
    """What was answered as processed is in the core.

    The subsystem believes that the student is enrolled: nobody will send the record again.
    """
    _records.judge_absent(database.absent_from_core(limits.span("window"), limits.span("settle")), limits)
