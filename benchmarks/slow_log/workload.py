"""An invented workload written as the server would log it: several hundred shapes, values that differ, trouble."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

TABLES = (
    "tbae001_inscripcion", "tbae002_bajas", "tbae005_asistencias", "tbae007_calificaciones", "tbae009_respuesta",
    "tbae010_error", "tbmu002_persona", "tbmu006_inscripcion", "tbmu013_bajas", "tbmu018_asistencias",
    "tbmu019_calificaciones", "tbmu020_alumno", "ctmu008_motivo_error", "ctmu009_subsistema",
)  # fmt: skip
COLUMNS = (
    "uuid", "curp_actual", "matricula_alumno", "id_subsistema", "cct", "ciclo_escolar", "fecha_inscripcion",
    "fecha_actualizacion", "id_estatus_procesamiento", "cve_programa_academico", "promedio", "activo", "fcreacion",
)  # fmt: skip
WIDE = ", ".join(f"r.{column}" for column in COLUMNS)
FORMS = ("stderr", "csv", "json")
_ZONE = "CST"


class Record(NamedTuple):
    """One record of the server, whatever the form it is written in."""

    pid: int
    level: str
    message: str
    state: str = "00000"
    detail: str = ""
    statement: str = ""


def shapes(chance: random.Random) -> list[str]:
    """Templates of statements: ``{i}`` a number, ``{s}`` a string, ``{t}`` a time."""
    made = []
    for table, column, other in itertools.product(TABLES, COLUMNS[:6], COLUMNS[6:9]):
        kind = chance.randrange(6)
        if kind == 0:
            made.append(
                f"SELECT {WIDE} FROM muses_dev.{table} r WHERE r.{column} = {{s}} ORDER BY r.{other} LIMIT {{i}}"
            )
        elif kind == 1:
            made.append(f"UPDATE muses_dev.{table} SET {other} = {{t}}, activo = {{s}} WHERE {column} = {{s}}")
        elif kind == 2:
            names = ", ".join(COLUMNS[:8])
            made.append(
                f"INSERT INTO {table} ({names}) VALUES ({{s}}, {{s}}, {{s}}, {{i}}, {{s}}, {{s}}, {{t}}, {{t}})"
            )
        elif kind == 3:
            made.append(
                f"SELECT count(*), r.{other}\n  FROM {table} r\n  JOIN tbae009_respuesta a ON a.uuid = r.uuid\n"
                f" WHERE r.{column} > {{i}} AND a.fecha_respuesta BETWEEN {{t}} AND {{t}}\n GROUP BY r.{other}"
            )
        elif kind == 4:
            made.append(f'SELECT "r"."{column}", "r"."{other}" FROM "{table}" "r" WHERE "r"."id_subsistema" = {{i}}')
        else:
            made.append(
                f"SELECT {column} FROM {table} WHERE {other} >= {{t}} AND id_subsistema IN ({{i}}, {{i}}, {{i}})"
            )
    return made


def records(chance: random.Random) -> Iterator[Record]:
    """Records without end: mostly timed statements, a few of everything else."""
    templates = shapes(chance)
    weights = list(itertools.accumulate(1 / (place + 3) for place in range(len(templates))))
    means = [chance.lognormvariate(1.5, 1.6) for _ in templates]
    pids = [chance.randrange(1000, 99999) for _ in range(80)]
    while True:
        [number] = chance.choices(range(len(templates)), cum_weights=weights)
        pid, milliseconds = chance.choice(pids), max(0.02, means[number] * chance.expovariate(1))
        draw = chance.random()
        if draw < 0.85:
            statement = _filled(templates[number], chance)
            yield Record(pid, "LOG", f"duration: {milliseconds:.3f} ms  statement: {statement}")
        elif draw < 0.93:
            parameters = ", ".join(f"${n} = '{chance.randrange(10**6)}'" for n in (1, 2, 3))
            statement = f"SELECT * FROM {TABLES[number % 12]} WHERE {COLUMNS[number % 13]} = $1 AND uuid = $2 LIMIT $3"
            message = f"duration: {milliseconds:.3f} ms  execute S_{number}: {statement}"
            yield Record(pid, "LOG", message, detail=f"parameters: {parameters}")
        else:
            yield from _trouble(pid, draw, _filled(templates[number], chance), chance)


def _filled(template: str, chance: random.Random) -> str:
    parts = template.split("{")
    return parts[0] + "".join(_value(part[0], chance) + part[2:] for part in parts[1:])


def _value(kind: str, chance: random.Random) -> str:
    if kind == "i":
        return str(chance.randrange(10 ** chance.randrange(1, 7)))
    if kind == "s":
        return f"'XEXX{chance.randrange(10**6):06d}HNEXXX{chance.randrange(100):02d}'"
    day, hour, second = chance.randrange(1, 29), chance.randrange(24), chance.randrange(60)
    return f"'2026-{chance.randrange(1, 13):02d}-{day:02d} {hour:02d}:{second:02d}:{second:02d}'"


def _trouble(pid: int, draw: float, statement: str, chance: random.Random) -> Iterator[Record]:
    if draw < 0.96:
        yield Record(
            pid, "ERROR", 'duplicate key value violates unique constraint "pk"', "23505", "Key exists.", statement
        )
    elif draw < 0.97:
        path = f"base/pgsql_tmp/pgsql_tmp{pid}.{chance.randrange(99)}"
        yield Record(pid, "LOG", f'temporary file: path "{path}", size {chance.randrange(10**8)}', statement=statement)
    elif draw < 0.975:
        waits = f"process {pid} still waiting for ShareLock on transaction {chance.randrange(10**6)} after 1000.123 ms"
        yield Record(pid, "LOG", waits, detail="Process holding the lock: 1. Wait queue: 2.", statement=statement)
    elif draw < 0.98:
        table = f"sep_muses.muses_dev.{chance.choice(TABLES)}"
        told = f'automatic vacuum of table "{table}": index scans: 1\nsystem usage: CPU: user: 0.10 s, elapsed: 1.25 s'
        yield Record(pid, "LOG", told)
    elif draw < 0.981:
        told = (
            "checkpoint complete: wrote 812 buffers (5.0%); 0 WAL file(s) added; write=26.1 s, sync=0.1 s, total=26.3 s"
        )
        yield Record(pid, "LOG", told)
    else:
        yield Record(pid, "LOG", "connection authorized: user=muses_app database=sep_muses application_name=servicio")


_ENDING = {"stderr": "log", "csv": "csv", "json": "json"}


def written(folder: Path, form: str, megabytes: int, seed: int = 5) -> Path:
    """A log of this size in this form, from the beginning of the workload."""
    path = folder / f"postgresql.{_ENDING[form]}"
    chance, size, line = random.Random(seed), 0, _LINES[form]
    at = datetime(2026, 11, 20, 6)  # as servers write it: a local time and the zone's letters
    with path.open("w", encoding="utf-8", newline="\n") as log:
        for number, record in enumerate(records(chance)):
            at += timedelta(milliseconds=chance.randrange(60))
            words = line(number, f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} {_ZONE}", record)
            log.write(words)
            size += len(words)
            if size >= megabytes * 10**6:
                break
    return path


def _stderr(number: int, stamp: str, record: Record) -> str:
    head = f"{stamp} [{record.pid}] muses_app@sep_muses "
    lines = [(record.level, record.message), ("DETAIL", record.detail), ("STATEMENT", record.statement)]
    return "".join(f"{head}{level}:  {words}\n".replace("\n", "\n\t")[:-1] for level, words in lines if words)


def _csv(number: int, stamp: str, record: Record) -> str:
    session = f"{record.pid:x}.{record.pid:x}"
    fields = (
        stamp, '"muses_app"', '"sep_muses"', record.pid, '"10.20.30.40:51234"', session, number % 1000, '"SELECT"',
        f"2026-11-20 05:00:00 {_ZONE}", f"3/{number}", 0, record.level, record.state, _quoted(record.message),
        _quoted(record.detail), "", "", "", "", _quoted(record.statement), "", "", '"servicio"', '"client backend"', "",
        0,
    )  # fmt: skip
    return ",".join(map(str, fields)) + "\n"


def _json(number: int, stamp: str, record: Record) -> str:
    session = f"{record.pid:x}.{record.pid:x}"
    fields = {
        "timestamp": stamp, "user": "muses_app", "dbname": "sep_muses", "pid": record.pid, "remote_host": "10.20.30.40",
        "remote_port": 51234, "session_id": session, "line_num": number % 1000, "ps": "SELECT",
        "session_start": f"2026-11-20 05:00:00 {_ZONE}", "vxid": f"3/{number}", "txid": 0,
        "error_severity": record.level, "state_code": record.state, "message": record.message, "detail": record.detail,
        "statement": record.statement, "application_name": "servicio", "backend_type": "client backend", "query_id": 0,
    }  # fmt: skip
    return json.dumps({k: v for k, v in fields.items() if v != ""}, separators=(",", ":")) + "\n"


def _quoted(words: str) -> str:
    return '"' + words.replace('"', '""') + '"' if words else ""


_LINES = {"stderr": _stderr, "csv": _csv, "json": _json}
