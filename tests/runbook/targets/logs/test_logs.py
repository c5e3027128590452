"""The logs' probes on files as services leave them, and on the jsonlog of a real PostgreSQL."""

from __future__ import annotations

import json
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.probes import Readings, reading_through
from runbook.settings import LogsSettings, Size
from runbook.targets.logs.logs import Logs

SERVICE = "servicio-procesamiento-inicial"
REFUSED = 'connection failed: FATAL:  too many connections for role "muses_app"'


def logs(folder: Path, *, database: tuple[str, ...] = (), **settings: Any) -> Logs:
    pattern = str(folder / f"{SERVICE}*.log")
    given = LogsSettings(services={SERVICE: (pattern,)}, database=database, **settings)
    return Logs("logs", given, environment="lab")


def line(message: str, *, age: float = 1.0, level: str = "ERROR", **fields: Any) -> str:
    at = (datetime.now(UTC) - timedelta(seconds=age)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    record = {"timestamp": at, "level": level, "service": SERVICE, "message": message, **fields}
    return json.dumps(record, ensure_ascii=False)


def write(folder: Path, name: str, *lines: str | bytes, age: float = 0.0) -> Path:
    path = folder / name
    path.write_bytes(b"".join((text.encode() if isinstance(text, str) else text) + b"\n" for text in lines))
    if age:
        os.utime(path, (time.time() - age, time.time() - age))
    return path


def failure(ask: Any) -> tuple[ProbeFailure, str]:
    with pytest.raises(ProbeError) as caught:
        ask()
    return caught.value.kind, str(caught.value)


def test_errors_are_grouped_counted_and_told_by_replica(tmp_path: Path) -> None:
    first = [line(f"Falló el intento {n}", age=60 - n, error_details=REFUSED) for n in range(5)]
    write(tmp_path, f"{SERVICE}-01.log", line("Procesados 10 eventos", age=70, level="INFO"), *first)
    second = [line("Falló el intento 9", age=9, error_details=REFUSED), line("Mensaje rechazado: JSON inválido", age=8)]
    write(tmp_path, f"{SERVICE}-02.log", *second, line("Procesados 4 eventos", age=2, level="INFO"))
    found = logs(tmp_path).errors(SERVICE)
    assert (found.service, found.lines, found.errors, found.whole) == (SERVICE, 9, 7, True)
    refused, rejected = found.groups
    assert (refused.count, refused.kind) == (6, "database")
    assert refused.shape == "Falló el intento ‹n› — connection failed: FATAL: too many connections for role ‹texto›"
    assert refused.replicas == (f"{SERVICE}-01", f"{SERVICE}-02")
    assert timedelta(seconds=50) < refused.last - refused.first < timedelta(seconds=52)
    assert refused.sample[0].startswith("Falló el intento 9")
    assert len(refused.sample) == 3
    assert (rejected.count, rejected.kind, rejected.replicas) == (1, "message", (f"{SERVICE}-02",))
    assert found.until - found.since == timedelta(minutes=5)
    assert found.last_line_at is not None
    assert timedelta(seconds=1) < found.until - found.last_line_at < timedelta(seconds=4)


def test_personal_data_and_secrets_are_masked(tmp_path: Path) -> None:
    details = "postgresql://muses_app:contraseña-larga@db/sep_muses de ana@uni.mx"
    said = line("Rechazado GOMC800101HDFMRR09", curp="GOMC800101HDFMRR09", error_details=details)
    write(tmp_path, f"{SERVICE}.log", said, line("nada", level="INFO", nombre="Ana"))
    [group] = logs(tmp_path).errors(SERVICE).groups
    for kept in ("GOMC800101HDFMRR09", "contraseña-larga", "ana@uni.mx"):
        assert kept not in repr(group)
    assert "‹CURP›" in group.sample[0]


def test_only_the_last_minutes_count(tmp_path: Path) -> None:
    old = [line("viejo", age=age) for age in (900, 600, 301)]
    write(tmp_path, f"{SERVICE}.log", *old, line("nuevo", age=200))
    found = logs(tmp_path).errors(SERVICE)
    assert [g.shape for g in found.groups] == ["nuevo"]
    assert found.lines == 1
    assert [g.shape for g in logs(tmp_path, window=timedelta(minutes=12)).errors(SERVICE).groups] == ["viejo", "nuevo"]


def test_a_silent_log_is_no_error_and_says_since_when(tmp_path: Path) -> None:
    write(tmp_path, f"{SERVICE}-01.log", line("de ayer", age=86400), age=86400)
    write(tmp_path, f"{SERVICE}-02.log")
    found = logs(tmp_path).errors(SERVICE)
    assert (found.lines, found.errors, found.groups) == (0, 0, ())
    assert found.last_line_at is not None
    assert abs(found.until - found.last_line_at - timedelta(days=1)) < timedelta(seconds=5)
    (tmp_path / f"{SERVICE}-01.log").unlink()
    assert logs(tmp_path).errors(SERVICE).last_line_at is None


def test_what_gets_into_logs_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    cut = line("cortada", age=3)
    write(
        tmp_path,
        f"{SERVICE}.log",
        cut[30:],
        line("en latín: conexión", age=50).encode("latin-1"),
        b"\x00\xff\xfe",
        "2026-13-45 99:99:99 ERROR no es una fecha",
        f"{datetime.now(UTC) - timedelta(seconds=40):%Y-%m-%d %H:%M:%S,%fZ} ERROR [hilo-1] texto suelto",
        line("sin detalles", age=30, error_details=None, message_extra={"a": [1]}),
        '{"timestamp": 5, "level": "ERROR"}',
        '["ERROR"]',
        line("no importa", age=20, level="WARNING"),
        "Traceback (most recent call last):",
        '  File "worker.py", line 10, in <module>',
        "    raise ERROR",
        "psycopg.OperationalError: server closed the connection unexpectedly",
        "",
        cut[:-25],
    )
    found = logs(tmp_path).errors(SERVICE)
    shapes = {g.shape: g.kind for g in found.groups}
    assert "en latín: conexión" in shapes
    assert any("texto suelto" in form for form in shapes)
    assert any("no es una fecha" in form for form in shapes)
    assert shapes["psycopg.OperationalError: server closed the connection unexpectedly"] == "database"
    assert not any("File" in form or "raise" in form for form in shapes), "a traceback is one error"
    assert "sin detalles" in shapes
    assert found.lines == 13


def test_records_without_words_are_still_counted(tmp_path: Path) -> None:
    bare = json.dumps({"timestamp": datetime.now(UTC).isoformat(), "level": "ERROR"})
    write(tmp_path, f"{SERVICE}.log", bare, bare)
    assert [(g.shape, g.count) for g in logs(tmp_path).errors(SERVICE).groups] == [("‹no message›", 2)]


def test_hostile_text_is_kept_short_and_as_text(tmp_path: Path) -> None:
    write(tmp_path, f"{SERVICE}.log", line("<script>alert(1)</script> \x1b[31m | ]]> " + "x" * 100_000))
    [group] = logs(tmp_path).errors(SERVICE).groups
    assert len(group.sample[0]) <= 300
    assert len(group.shape) <= 300
    assert "<script>" in group.sample[0]


def test_a_rotated_log_goes_on_in_its_neighbour(tmp_path: Path) -> None:
    write(tmp_path, f"{SERVICE}-01.log.1", line("antes", age=100))
    write(tmp_path, f"{SERVICE}-01.log", line("después", age=5))
    found = logs(tmp_path).errors(SERVICE)
    assert {g.shape for g in found.groups} == {"antes", "después"}
    given = LogsSettings(services={SERVICE: (str(tmp_path / f"{SERVICE}*.log*"),)})
    assert Logs("logs", given, environment="lab").errors(SERVICE).errors == 2, "and is not read twice"
    write(tmp_path, f"{SERVICE}-01.log.1", line("antes", age=100), age=3600)
    assert logs(tmp_path).errors(SERVICE).errors == 1, "unless it is older than the window"


def test_no_more_than_max_bytes_are_read_and_that_is_said(tmp_path: Path) -> None:
    many = [line(f"error {n:06d}", age=250 - n / 100) for n in range(20_000)]
    path = write(tmp_path, f"{SERVICE}.log", *many)
    found = logs(tmp_path, max_bytes=Size(100_000)).errors(SERVICE)
    assert not found.whole
    assert found.errors == found.lines == 100_000 // (path.stat().st_size // 20_000)
    assert found.since == found.groups[0].first
    assert logs(tmp_path, max_bytes=Size(100_000), window=timedelta(seconds=52)).errors(SERVICE).whole


def test_fifty_megabytes_take_no_longer_than_what_may_be_read(tmp_path: Path) -> None:
    one = (line("Procesados 10 eventos", level="INFO") + "\n").encode()
    bad = (line("Falló el guardado", error_details=REFUSED) + "\n").encode()
    (tmp_path / f"{SERVICE}.log").write_bytes((one * 9 + bad) * (50 * 1024**2 // len(one * 9 + bad)))
    began = time.process_time()  # not the clock: what runs beside it is no matter of the log's size
    found = logs(tmp_path).errors(SERVICE)
    took = time.process_time() - began
    assert 1000 < found.errors < found.lines
    assert took < 1.0, f"{took:.2f} s for {found.lines} lines"


def test_missing_logs_are_named_with_their_setting(tmp_path: Path) -> None:
    kind, said = failure(lambda: logs(tmp_path).errors(SERVICE))
    assert kind is ProbeFailure.ABSENT
    assert str(tmp_path / f"{SERVICE}*.log") in said
    assert f"environments.lab.logs.services.{SERVICE}" in said
    with pytest.raises(NotConfigured, match=r"environments\.lab\.logs\.services\.siged"):
        logs(tmp_path).errors("siged")
    with pytest.raises(NotConfigured, match=r"environments\.lab\.logs\.database"):
        logs(tmp_path).slow_statements()
    with pytest.raises(NotConfigured, match=r"environments\.lab\.logs"):
        Logs("logs", None, environment="lab").errors(SERVICE)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"{SERVICE}.log")
    kind, said = failure(lambda: logs(tmp_path).errors(SERVICE))
    assert (kind, "not a plain file" in said) == (ProbeFailure.ABSENT, True)


def test_a_log_that_may_not_be_read_is_denied_and_named() -> None:
    with tempfile.TemporaryDirectory(prefix="muses-logs-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        write(folder, f"{SERVICE}.log", line("x")).chmod(0o000)
        (folder / "cerrada").mkdir(mode=0o000)
        assert denied_to_nobody(str(folder / f"{SERVICE}*.log")) == f"denied {folder}/{SERVICE}.log"
        assert denied_to_nobody(str(folder / "cerrada" / "*.log")) == f"denied {folder}/cerrada/*.log"


def denied_to_nobody(pattern: str) -> str:
    """What a user without rights is told; we may be root, who can read everything."""
    target = Logs("logs", LogsSettings(services={SERVICE: (pattern,)}), environment="lab")
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        assert [right.held for right in target.rights()] == [False]
        with pytest.raises(ProbeError) as caught:
            target.errors(SERVICE)
    finally:
        if root:
            os.seteuid(0)
    return f"{caught.value.kind} {caught.value.said.values['path']}"


def test_one_log_that_cannot_be_read_says_nothing_of_the_others(tmp_path: Path) -> None:
    write(tmp_path, f"{SERVICE}.log", line("x"))
    given = LogsSettings(services={SERVICE: (str(tmp_path / "*.log"),), "otro": (str(tmp_path / "otro*.log"),)})
    target = Logs("logs", given, environment="lab")
    with reading_through(Readings()) as used:
        failure(lambda: target.errors("otro"))
        assert target.errors(SERVICE).errors == 1
    assert used == ["logs.otro.errors()", f"logs.{SERVICE}.errors()"]


def test_rights_name_each_pattern(tmp_path: Path) -> None:
    write(tmp_path, f"{SERVICE}.log", line("x"))
    database = (str(tmp_path / "postgresql*.json"),)
    assert [r.held for r in logs(tmp_path, database=database).rights()] == [False, True]
