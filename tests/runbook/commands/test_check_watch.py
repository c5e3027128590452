"""``check --watch``, ``--record`` and ``--replay`` from outside: a real process, a real terminal, a tank in a file."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from runbook import cli
from runbook.commands import recorded
from runbook.commands.check import check
from runbook.recording import files
from tests.reports import factory
from tests.runbook.test_cli import COMMAND, said

SITE = """
[site]
name = "Prueba"
state = "{folder}/state"
[environments.here.packs]
folders = ["filas"]
"""
TARGET = """
from pathlib import Path

import msgspec
import pytest

from runbook.errors import ProbeError, ProbeFailure
from runbook.probes import probe
from runbook.targets.base import Target


class Level(msgspec.Struct, frozen=True):
    value: float


class Tank(Target):
    @probe()
    def level(self) -> Level:
        said = Path("level").read_text()
        if not said:
            raise ProbeError("tank", ProbeFailure.BLIND, "the gauge is broken")
        return Level(float(said))


@pytest.fixture(scope="session")
def tank():
    return Tank("tank")
"""
ROW = '''
from runbook.limits import Limits, Threshold
from runbook.rows import row

@row("TANK-01", source="test", es="El tanque no se desborda", threshold=Threshold(10, 20, unit="lines"))
def check_level(tank, limits: Limits) -> None:
    """The tank does not overflow."""
    limits.judge(tank.level().value, of="tank")
'''
DRAIN = """

from runbook.model import Effect
from runbook.targets.base import operation


@operation(Effect.CHANGE)
def drain(self, *, fingerprint):
    Path("level").write_text("5")
    return {"level": 5}


Tank.drain = drain
"""
REMEDY = '''
from datetime import timedelta

from runbook.model import Effect, Finding, Proof, Risk, Step
from runbook.rows import diagnoses, remedies
from runbook.text import text


@diagnoses(check_level, es="La llave está abierta")
def tap_is_open(tank) -> Finding:
    """The tap is open."""
    return Finding(proof=Proof.CONFIRMED, summary=text("Water runs"))


@remedies(check_level, risk=Risk.MEDIUM, settles=timedelta(0))
def drain(findings, tank):
    """Drain it."""
    yield Step(what=text("Drain the tank"), target="tank", operation="drain", effect=Effect.CHANGE)
'''
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
WATCH = ("check", "--watch", "--every", "100ms", "TANK-01", "--output", "out")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "filas").mkdir()
    (tmp_path / "filas" / "conftest.py").write_text(TARGET)
    (tmp_path / "filas" / "tanks.py").write_text(ROW)
    (tmp_path / "muses-runbook.toml").write_text(SITE.format(folder=tmp_path))
    fill(tmp_path, 5)
    return tmp_path


def fill(desk: Path, level: float | str) -> None:
    (desk / ".level").write_text(str(level))
    (desk / ".level").replace(desk / "level")


class Terminal:
    """The command on a real terminal of 80 × 24, and what it has shown."""

    def __init__(self, desk: Path, *arguments: str, **variables: str) -> None:
        self._main, end = pty.openpty()
        termios.tcsetwinsize(end, (24, 80))
        self.before = termios.tcgetattr(end)
        clean = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME")}
        environment = clean | {"TERM": "xterm-256color", "MUSES_RUNBOOK_LANG": "en"} | variables
        self.process = subprocess.Popen(
            [sys.executable, COMMAND, *arguments],
            stdin=end,
            stdout=end,
            stderr=end,
            cwd=desk,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C and keys are its own
        )
        self.end, self.shown = end, ""

    def until(self, words: str, within: float = 20) -> str:
        """What was shown until then; fails where the words do not come."""
        deadline, seen = time.monotonic() + within, len(self.shown)
        while words not in COLOUR.sub("", self.shown[seen:]):
            assert time.monotonic() < deadline, self.shown[-3000:]
            if select.select([self._main], [], [], 0.05)[0]:
                self.shown += os.read(self._main, 65536).decode(errors="replace")
        return self.shown[seen:]

    def press(self, key: str) -> None:
        os.write(self._main, key.encode())

    def hang_up(self) -> None:
        """The connection breaks: a signal, and nobody reads any more."""
        os.close(self.end)
        os.close(self._main)
        self._main = self.end = -1

    def ended(self) -> int:
        """The exit code; what was written until then is read, or the process could not end."""
        deadline = time.monotonic() + 20
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown[-3000:]
            if select.select([self._main], [], [], 0.05)[0]:
                self.shown += os.read(self._main, 65536).decode(errors="replace")
        while select.select([self._main], [], [], 0)[0]:
            self.shown += os.read(self._main, 65536).decode(errors="replace")
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for end in (self._main, self.end):
            if end >= 0:
                os.close(end)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    made: list[Terminal] = []
    yield made
    for one in made:
        one.close()


def stored(desk: Path, folder: str = "out") -> dict[str, object]:
    [file] = (desk / folder).glob("*.json")
    found: dict[str, object] = json.loads(file.read_bytes())
    return found


def told(run: dict[str, object]) -> list[str]:
    events: list[dict[str, str]] = run["events"]  # type: ignore[assignment]
    return [event["kind"] for event in events if event["row"]]


def test_a_watch_shows_records_reports_and_ends_at_a_key(desk: Path, terminals: list[Terminal]) -> None:
    terminal = Terminal(desk, *WATCH, "--record", "watch.jsonl.zst")
    terminals.append(terminal)
    terminal.until("✓ TANK-01")
    fill(desk, 15)
    terminal.until("WARNING")
    fill(desk, 25)
    board = terminal.until("CRITICAL")
    assert "\x1b[?1049h" in terminal.shown
    assert "\x1b[2J" not in board
    terminal.press("r")
    terminal.until("Report written")
    assert told(stored(desk)) == ["WARNING", "CRITICAL"]
    fill(desk, "")
    terminal.until("UNKNOWN")
    terminal.press("q")
    assert terminal.ended() == cli.Exit.UNKNOWN
    assert terminal.shown.rindex("\x1b[?1049l") < terminal.shown.index("Report:")
    assert termios.tcgetattr(terminal.end) == terminal.before
    run = stored(desk)
    assert told(run) == ["WARNING", "CRITICAL", "UNKNOWN"]
    assert len(run["samples"]) >= 4  # type: ignore[arg-type]
    again = said("check", "TANK-01", "--replay", "watch.jsonl.zst", "--output", "again", folder=desk)
    assert again.returncode == cli.Exit.UNKNOWN, again.stderr
    assert told(stored(desk, "again")) == told(run)
    assert stored(desk, "again")["readings"] == run["readings"]


def test_a_signal_ends_it_with_a_report_even_through_a_pipe(desk: Path) -> None:
    fill(desk, 25)
    clean = {"PATH": os.environ["PATH"], "HOME": str(desk), "MUSES_RUNBOOK_LANG": "en"}
    with subprocess.Popen(
        [sys.executable, COMMAND, *WATCH], cwd=desk, env=clean, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline().decode()
        process.send_signal(signal.SIGTERM)
        shown = first + process.stdout.read().decode()
    assert re.match(r"\d\d:\d\d:\d\d  ◆ CRITICAL  TANK-01  25 lines  ", first)
    assert "\x1b" not in shown
    assert process.returncode == cli.Exit.CRITICAL
    assert told(stored(desk)) == ["CRITICAL"]


def test_a_broken_connection_leaves_a_report(desk: Path, terminals: list[Terminal]) -> None:
    terminal = Terminal(desk, *WATCH)
    terminals.append(terminal)
    terminal.until("✓ TANK-01")
    terminal.hang_up()
    terminal.process.wait(20)
    assert told(stored(desk)) == []
    assert len(said("history", folder=desk).stdout.splitlines()) == 1


def test_a_dumb_terminal_gets_lines(desk: Path, terminals: list[Terminal]) -> None:
    terminal = Terminal(desk, *WATCH, TERM="dumb")
    terminals.append(terminal)
    terminal.until("✓ In order 1")
    fill(desk, 25)
    terminal.until("◆ CRITICAL  TANK-01")
    terminal.press("\x03")
    assert terminal.ended() == cli.Exit.CRITICAL
    assert "\x1b" not in terminal.shown


def test_a_record_that_cannot_be_written_is_said_at_once(desk: Path) -> None:
    done = said(*WATCH, "--record", "level/watch.jsonl", folder=desk)
    assert (done.returncode, "level" in done.stderr, done.stdout) == (cli.Exit.NO_REPORT, True, "")


def test_a_check_is_recorded_as_its_run_is(desk: Path) -> None:
    done = said("check", "TANK-01", "--record", "one.jsonl", "--output", "out", "--format", "json", folder=desk)
    assert done.returncode == cli.Exit.OK, done.stderr
    [run] = (desk / "out").glob("*.json")
    by_record, by_run = recorded.load(desk / "one.jsonl"), recorded.load(run)
    assert by_record == by_run
    assert by_record.looks[0].readings[0].value == {"value": 5.0}


def test_half_a_look_at_the_end_is_said(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(factory.incident(), desk / "cut.jsonl")
    with (desk / "cut.jsonl").open("ab") as file:
        file.write(b'{"at":"2026-')
    assert len(recorded.load(desk / "cut.jsonl").looks) == 1
    assert "cut.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--watch", "--fix"), "--watch"),
        (("--watch", "--replay", "x.json"), "--watch"),
        (("--watch", "--plan", "p.json"), "--watch"),
        (("--record", "a", "--replay", "b"), "--record"),
        (("--watch", "--every", "often"), "15 min"),
    ],
)
def test_options_that_cannot_both_be_meant_are_refused(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(click.UsageError, match=words):
        check.main(list(arguments), standalone_mode=False)


def test_a_person_at_the_terminal_is_asked_and_heard(desk: Path, terminals: list[Terminal]) -> None:
    """What is captured of the rows must not take standard input away."""
    with (desk / "filas" / "conftest.py").open("a") as file:
        file.write(DRAIN)
    (desk / "filas" / "tanks.py").write_text(ROW + REMEDY)
    with (desk / "muses-runbook.toml").open("a") as file:
        file.write('[environments.here.policy]\nmedium = "ask"\n')
    fill(desk, 25)
    terminal = Terminal(desk, "check", "--fix", "TANK-01", "--format", "json", "--output", "out")
    terminals.append(terminal)
    terminal.until("[y/N]")
    terminal.press("y\n")
    assert terminal.ended() == cli.Exit.OK
    assert (desk / "level").read_text() == "5"
