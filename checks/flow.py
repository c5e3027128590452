"""The way of the records (Guía de Operaciones §1 y §2): does any stop, fail, stay untold, or not come at all?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _flow
from runbook.limits import Limits, Threshold
from runbook.rows import row
from runbook.text import text

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.postgres.database import Database

STUCK = text(
    "See them: `SELECT uuid, id_subsistema, fecha_actualizacion FROM TABLE WHERE id_estatus_procesamiento = N ORDER BY "
    "fecha_actualizacion LIMIT 20`, and look for one of the uuids in the services' logs. All of a status: the service "
    "that takes it on does not work (rows ETL-01, QUEUE-01). A few among many: the service fails at these and passes "
    "over them. If nothing more is to happen in the status, name it in database.records.ended_statuses"
)
REFUSED = text(
    "See the newest: `SELECT r.uuid, e.id_motivo_error FROM tbae010_error e JOIN tbae009_respuesta r USING "
    "(id_respuesta) ORDER BY id_error DESC LIMIT 20`. One subsystem, one motive: its export has changed, send it "
    "examples. All subsystems, one motive: what the motive depends on has (RENAPO, a catalogue)"
)
UNTOLD = text(
    "Look at the log of the notification service: does SIGED answer? `SELECT count(*) FROM tbmu006_inscripcion WHERE "
    "notificado_siged IS NOT TRUE` shows whether it gets on. SIGED down: tell them, the service catches up by itself. "
    "Mark none as notified by hand"
)
SILENT = text(
    "Ask the subsystem whether it sends. If it does: its calls in the gateway's log, then the reception's, then the "
    "queue (row QUEUE-01). If it is to send no more, set it inactive: `UPDATE ctmu009_subsistema SET activo = 'I' "
    "WHERE id_subsistema = N`"
)


@row(
    "ETL-04",
    source="Nivel de servicio: notificado en 24 horas; warning a la sexta parte",
    es="Ningún registro está atorado en un estatus",
    threshold=Threshold(warning=timedelta(hours=4), critical=timedelta(hours=24)),
    person=STUCK,
)
def check_no_record_is_stuck(database: Database, limits: Limits) -> None:
    """No record is stuck in a status.

    The latency of the rest looks healthy while a few are passed over again and again, each of them a student.
    """
    _flow.judge_stuck(database.standing(), limits)


@row(
    "ETL-05",
    source="práctica común: cada subsistema contra su propia historia; 5 % y 20 % donde no la hay",
    es="Los subsistemas no fallan más que de costumbre",
    threshold=Threshold(warning=5, critical=20, unit="%"),
    settings={
        "window": timedelta(hours=24),
        # With fewer a single record is a percent.
        "least_records": 200,
        "look_back": timedelta(days=14),
        "least_samples": 5,
        "times_warning": 3,
        "times_critical": 10,
    },
    person=REFUSED,
)
def check_errors_are_as_usual(database: Database, history: History, limits: Limits) -> None:
    """The subsystems fail no more than usual.

    A subsystem whose export has changed fails with one motive from one day to the next, and its students are missing.
    """
    names = {one.id: one.name for one in database.catalogue_values() if one.catalogue == "ctmu008_motivo_error"}
    _flow.judge_errors(database.answers(limits.span("window")), names, history, limits)


@row(
    "ETL-06",
    source="Nivel de servicio: un registro consolidado se notifica a SIGED en 24 horas; warning a las 18",
    es="SIGED se entera de cada inscripción en 24 horas",
    threshold=Threshold(warning=timedelta(hours=18), critical=timedelta(hours=24)),
    person=UNTOLD,
)
def check_siged_is_told(database: Database, limits: Limits) -> None:
    """SIGED hears of each enrolment within 24 hours.

    That is the service's promise to the ministry; what is not told is not enrolled anywhere else.
    """
    _flow.judge_untold(database.enrolments(), limits)


@row(
    "ETL-07",
    source="práctica común: más que su pausa más larga, y más que un fin de semana largo",
    es="Ningún subsistema ha dejado de enviar",
    threshold=Threshold(warning=timedelta(days=4), critical=timedelta(days=8)),
    settings={"least_days": 3, "times_warning": 1.5, "times_critical": 3},
    person=SILENT,
)
def check_no_subsystem_is_silent(database: Database, limits: Limits) -> None:
    """No subsystem has stopped sending.

    What does not come raises no alarm anywhere else: every queue is empty and every record on time.
    """
    _flow.judge_silence(database.standing(), database.catalogue_values(), limits)
