"""The terminal: plain when piped, alive on a real pseudo-terminal, the same picture worst first."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from reports.language import Language
from reports.terminal import Board
from runbook.model import Run
from tests.reports import factory

ROOT = Path(__file__).parents[2]
SHOW = """
import sys
from pathlib import Path
from reports.language import Language
from reports.terminal import Board
from tests.reports import factory
run = factory.incident()
with Board(Language("es"), sys.stdout) as board:
    board.started(tuple(record.row for record in run.records))
    for record in run.records:
        board.judged(record)
    if "ask" in sys.argv:
        print("answered", board.ask(factory.queue()))
    queue = factory.queue()
    for action in queue.actions:
        board.acting(action.step)
        board.acted(action)
    board.verifying("QUEUE-01")
    board.finished(run, {"json": Path("/r/x.json"), "html": Path("/r/x.html")})
"""


def piped(run: Run, code: str = "es", *, quiet: bool = False) -> str:
    """What a pipe receives."""
    stream = io.StringIO()
    with Board(Language(code), stream, quiet=quiet) as board:
        board.started(tuple(record.row for record in run.records))
        for record in run.records:
            board.judged(record)
        assert stream.getvalue() == ""
        board.finished(run, {"html": Path("/r/x.html")})
    return stream.getvalue()


def on_terminal(*, answer: str = "", **environment: str) -> str:
    """What a real pseudo-terminal of 80 columns receives; an answer is typed when something is asked."""
    main, end = pty.openpty()
    given = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "40", **environment}
    command = [sys.executable, "-c", SHOW, *(["ask"] if answer else [])]
    child = subprocess.Popen(command, stdin=end, stdout=end, stderr=end, env=given, cwd=ROOT, close_fds=True)
    os.close(end)
    said, deadline = b"", time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([main], [], [], 0.1)[0]:
            try:
                said += os.read(main, 65536)
            except OSError:  # the other end is closed: on Linux a read fails then
                break
        if answer and b"[s/N]" in said:
            os.write(main, f"{answer}\n".encode())
            answer = ""
    os.close(main)
    assert child.wait(10) == 0, said.decode()
    return said.decode()


def test_piped_it_is_plain_and_worst_first() -> None:
    said = piped(factory.incident())
    assert "\x1b" not in said
    assert not [line for line in said.splitlines() if len(line) > 80 or line != line.rstrip()]
    rows = re.findall(r"^\S (?:CRÍTICO|ADVERTENCIA|DESCONOCIDO|CORREGIDO)  (\S+)", said, re.MULTILINE)
    assert rows == ["BACKUP-01", "ETL-01", "HOST-01", "QUEUE-01"]
    assert "✓ En orden 4: DB-01  ETL-02  QUEUE-02  STAGE-01" in said
    assert "– Omitido: NOTIFY-01" in said
    assert said.endswith("Informe: /r/x.html\n")


@pytest.mark.parametrize(
    "part",
    [
        "muses.recepcion: 486/min → −912/min",
        "Confirmada      El Servicio de Procesamiento Inicial está caído: 0 de 2",
        "– El supervisor da por detenidas las dos réplicas",
        "Descartada      Un worker está vivo pero no consume;",
        "Se hizo         Iniciar servicio-procesamiento-inicial:replica-01 — hecho",
        "¿Sirvió?        Sí: el renglón vuelve a cumplirse (después de 20 s).",
        "Qué sigue       Preguntar quién detuvo las réplicas a las 08:12",
        "Desde           24 nov 2026, 08:12:23 UTC-06:00 (hace 19 min 9 s)",
    ],
)
def test_the_picture_answers_what_is_asked_at_3_am(part: str) -> None:
    assert part in piped(factory.incident())


def test_english_is_english() -> None:
    said = piped(factory.incident(), "en")
    assert "◆ CRITICAL  BACKUP-01" in said
    assert "Confirmed       The initial-processing service is down" in said


def test_quiet_leaves_out_what_is_in_order() -> None:
    said = piped(factory.incident(), quiet=True)
    assert "QUEUE-01" in said
    assert "ETL-02" not in said
    assert len(said.splitlines()) < 20


def test_a_run_that_was_stopped_says_so() -> None:
    assert "se detuvo antes de terminar" in piped(msgspec.structs.replace(factory.incident(), interrupted=True))


@pytest.mark.parametrize("code", ["es", "en"])
def test_hostile_words_are_words(code: str) -> None:
    said = piped(factory.hostile(), code)
    assert not set("\x1b\x00\x07\x08\u202e") & set(said)
    assert "[bold]b[/bold]" in said.replace("\n", "")
    assert "PEGJ850101HDFRRN09" not in piped(factory.hostile("curp PEGJ850101HDFRRN09"), code)


def test_on_a_terminal_it_is_alive_and_leaves_the_picture() -> None:
    said = on_terminal()
    assert "\x1b[?25l" in said  # the cursor goes …
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")  # … and comes back
    assert "/9 · " in said
    assert "Verificando" in said or "Comprobando QUEUE-01" in said
    assert "\x1b[1;31m◆ CRÍTICO\x1b[0m" in said


def test_no_color_is_respected() -> None:
    said = on_terminal(NO_COLOR="1")
    assert "◆ CRÍTICO" in said
    assert not re.findall(r"\x1b\[(?:\d+;)*3\d", said)


@pytest.mark.parametrize(("answer", "heard"), [("s", "True"), ("no", "False")])
def test_a_person_is_asked_on_a_terminal(answer: str, heard: str) -> None:
    said = on_terminal(answer=answer)
    assert "¿Ejecutar este plan? [s/N]" in said
    assert "deshacer: Detener" in said
    assert f"answered {heard}" in said


def test_nobody_is_asked_through_a_pipe() -> None:
    with Board(Language("es"), io.StringIO(), answers=io.StringIO("s\n")) as board:
        assert board.ask(factory.queue()) is None


def test_a_stream_that_cannot_show_a_mark_is_no_failure(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        Board(Language("es"), stream).finished(factory.incident())
    assert "? CR?TICO  BACKUP-01" in (tmp_path / "out").read_text("ascii")
