"""The rows of the records (STAGE-03 to ETL-07) on a real server: healthy, each with its fault, and blind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks import flow, records
from runbook.errors import ProbeError, ProbeFailure
from runbook.model import State
from runbook.rows import of
from runbook.targets.postgres.database import Database
from tests.checks import fakes
from tests.checks.fakes import NoHistory
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.postgres.test_exchange import answer, stage
from tests.runbook.targets.servers_postgres import Connection, PostgresServer

HOUR = timedelta(hours=1)
#: Row → what breaks it.
FAULTS = {
    records.check_records_have_a_time: "UPDATE tbae001_inscripcion SET fecha_actualizacion = NULL WHERE uuid = 'a3'",
    records.check_records_are_there_once: """
        INSERT INTO tbae002_bajas (uuid, fecha_baja, id_estatus_procesamiento, fecha_actualizacion)
        SELECT uuid, '2026-11-02 08:00+00', 3, localtimestamp FROM unnest(ARRAY['x', 'y']) AS uuid""",
    records.check_catalogues_are_complete: """
        ALTER TABLE tbae001_inscripcion DROP CONSTRAINT tbae001_inscripcion_id_subsistema_fkey;
        UPDATE tbae001_inscripcion SET id_subsistema = 77 WHERE uuid = 'a3'""",
    records.check_answered_records_are_in_the_core: "DELETE FROM tbmu020_alumno WHERE id_subsistema = 3",
    flow.check_no_record_is_stuck: """
        UPDATE tbae001_inscripcion
        SET id_estatus_procesamiento = 2, fecha_actualizacion = localtimestamp - interval '5 hours'
        WHERE uuid = 'a3'""",
    flow.check_errors_are_as_usual: """
        INSERT INTO tbae010_error (id_respuesta, id_motivo_error)
        SELECT id_respuesta, 1 FROM tbae009_respuesta WHERE uuid = 'a3'""",
    flow.check_siged_is_told: """
        INSERT INTO tbmu006_inscripcion (fecha_inscripcion, fcreacion)
        SELECT moment, moment FROM (SELECT localtimestamp - interval '20 hours' AS moment) AS past""",
    flow.check_no_subsystem_is_silent: "DELETE FROM tbae001_inscripcion WHERE uuid = 'a3'",
}


@pytest.fixture(autouse=True)
def _one_student_of_each_subsystem(admin: Connection) -> None:
    """Consolidated an hour ago: enrolled in the core, answered, and SIGED told."""
    for subsystem in range(1, 13):
        stage(admin, f"a{subsystem}", age=2 * HOUR, status=3, subsystem=subsystem)
        answer(admin, f"a{subsystem}", ago=HOUR)
    admin.execute("""
        UPDATE tbae001_inscripcion SET curp_actual = 'XXAB9041HZZBCD' || id_subsistema;
        INSERT INTO tbmu002_persona (id_persona, curp, fcreacion)
        SELECT id_subsistema, curp_actual, localtimestamp FROM tbae001_inscripcion;
        INSERT INTO tbmu020_alumno (id_alumno, id_persona, id_subsistema, fcreacion)
        SELECT id_persona, id_persona, id_persona, localtimestamp FROM tbmu002_persona;
        INSERT INTO tbmu006_inscripcion
            (id_alumno, id_estatus_inscripcion, fecha_inscripcion, fcreacion, notificado_siged)
        SELECT id_alumno, 1, localtimestamp, localtimestamp - interval '2 days', true FROM tbmu020_alumno;
        ALTER TABLE tbmu006_inscripcion DROP CONSTRAINT tbmu006_inscripcion_id_alumno_fkey""")


def verdict(check: Any, database: Database) -> Any:
    more = {"history": NoHistory()} if "history" in of(check).targets else {}
    settings = {"least_records": 1} if check is flow.check_errors_are_as_usual else {}
    return fakes.judged(check, settings=settings, database=database, **more)


@pytest.mark.parametrize("check", FAULTS)
def test_healthy_then_broken(database: Database, admin: Connection, check: Any) -> None:
    assert verdict(check, database).state is State.OK
    admin.execute(FAULTS[check])  # type: ignore[call-overload]
    found = verdict(check, database)
    assert found.state is (State.CRITICAL if check is flow.check_errors_are_as_usual else State.WARNING)


@pytest.mark.parametrize("check", FAULTS)
def test_blind(make_database: MakeDatabase, postgres: PostgresServer, check: Any) -> None:
    with pytest.raises(ProbeError) as caught:
        verdict(check, make_database(reader=postgres.login("muses_stranger")))
    assert caught.value.kind in (ProbeFailure.BLIND, ProbeFailure.DENIED)
