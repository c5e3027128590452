"""The command on its own: no settings file, what it prints, its exit codes, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "runbook", "slow-queries")
STAMP = "2026-11-20 10:00:0{second}.123 CST"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "postgresql.log"
    lines = (
        f"{STAMP.format(second=n)} [{n}] LOG:  duration: {n}.5 ms  statement: "
        f"SELECT * FROM tbae00{n} WHERE curp = 'XEXX{n}'\n"
        for n in range(1, 6)
    )
    path.write_text("".join(lines))
    return path


def run(*arguments: str, folder: Path, said: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=environment, input=said, capture_output=True, text=True, check=False
    )


def test_a_table_in_spanish_and_json(log: Path, tmp_path: Path) -> None:
    done = run(str(log), "--top", "2", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "SELECT * FROM tbae005 WHERE curp = ‹curp›" in done.stdout
    assert "tbae001" not in done.stdout
    assert "XEXX" not in done.stdout
    found = json.loads(
        run("-", "--json", "--since", "2026-11-20 10:00:02", folder=tmp_path, said=log.read_text()).stdout
    )
    assert [s["query"] for s in found["statements"]] == [
        f"SELECT * FROM tbae00{n} WHERE curp = $1" for n in (5, 4, 3, 2)
    ]
    assert found["statements"][0]["total_ms"] == 5.5


def test_what_is_wrong_has_its_exit_code(log: Path, tmp_path: Path) -> None:
    absent = run("nada.log", folder=tmp_path)
    assert (absent.returncode, "nada.log" in absent.stderr) == (3, True)
    strange = tmp_path / "otro.log"
    strange.write_text("¿qué?\n" * 9)
    unknown = run(str(strange), folder=tmp_path)
    assert (unknown.returncode, "--prefix" in unknown.stderr) == (78, True)
    assert run(str(log), "--since", "ayer", folder=tmp_path).returncode == 64


def test_interrupted_it_leaves_nothing_behind(tmp_path: Path) -> None:
    held = subprocess.Popen(
        [*COMMAND, "-"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert held.stdin is not None
    assert held.stdout is not None
    held.stdin.write(b"2026-11-20 10:00:00.123 CST [1] LOG:  x\n" * 200_000)
    held.stdin.flush()
    held.send_signal(signal.SIGINT)
    out, said = held.communicate(timeout=10)
    assert (held.returncode, out) == (130, b"")
    assert b"Traceback" not in said
