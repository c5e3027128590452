"""The command line from outside: help that costs nothing, clear errors, exit codes a script can rely on."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from runbook import cli, site_file
from runbook.commands.init import EXAMPLE

COMMAND = Path(sys.executable).with_name("muses-runbook")
SITE = """
[site]
environment = "here"
state = "{state}"
[environments.here]
"""


def said(*arguments: str, folder: Path, optimise: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MUSES", "LC_", "LANG", "XDG"))}
    environment = clean | {"HOME": str(folder), "MUSES_RUNBOOK_LANG": "en"} | variables
    python = [sys.executable, "-O"] if optimise else [sys.executable]
    return subprocess.run(
        [*python, COMMAND, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "muses-runbook.toml").write_text(SITE.format(state=tmp_path / "state"))
    return tmp_path


def test_help_shows_an_example_for_every_command(tmp_path: Path) -> None:
    shown = said("--help", folder=tmp_path)
    assert shown.returncode == 0
    for name in cli._COMMANDS:
        assert name in shown.stdout
        helped = said(name, "--help", folder=tmp_path).stdout
        assert re.search(r"(Example|Ejemplo):\s+muses-runbook", helped), name


def test_help_speaks_spanish_unless_asked(tmp_path: Path) -> None:
    assert "Ejemplo:" in said("--help", folder=tmp_path, MUSES_RUNBOOK_LANG="").stdout
    assert "Example:" in said("check", "--lang", "en", "--help", folder=tmp_path, MUSES_RUNBOOK_LANG="es").stdout


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = ("pytest", "psycopg", "boto3", "pika", "jinja2", "rich", "testinfra", "sqlite3")
    code = (
        "import sys; sys.argv = ['muses-runbook', '--help']\n"
        "from runbook import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        f"print('HEAVY', sorted(set(sys.modules) & {set(heavy)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "HEAVY []" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("chekc",), cli.Exit.USAGE, "check"),
        (("check", "--deadline", "soon"), cli.Exit.USAGE, "15 min"),
        (("check", "QEUE-01"), cli.Exit.SETTINGS, "did you mean 'QUEUE-01'"),
        (("show", "ETL-9"), cli.Exit.SETTINGS, "no row 'ETL-9'"),
        (("check", "--env", "her"), cli.Exit.SETTINGS, "did you mean 'here'"),
        (("check", "--fix", "--replay", "x.json"), cli.Exit.USAGE, "--replay"),
        (("check", "--replay", "x.json"), cli.Exit.NO_REPORT, "x.json"),
        (("check", "-k", "no_such_row"), cli.Exit.SETTINGS, "no row matches"),
        (("report", "R9"), cli.Exit.SETTINGS, "no run 'R9'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_exit_code(
    desk: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = said(*arguments, folder=desk)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_site_file_it_says_how_to_write_one(tmp_path: Path) -> None:
    done = said("check", folder=tmp_path)
    assert done.returncode == cli.Exit.SETTINGS
    assert "muses-runbook init" in done.stderr


def test_asserts_must_be_on(desk: Path) -> None:
    done = said("check", folder=desk, optimise=True)
    assert done.returncode == cli.Exit.USAGE
    assert "python -O" in done.stderr


def test_init_writes_a_file_that_loads_and_never_over_another(tmp_path: Path) -> None:
    assert said("init", folder=tmp_path).returncode == 0
    settings = site_file.load(tmp_path / "muses-runbook.toml", {})
    assert settings.environment()[0] == "prod"
    again = said("init", folder=tmp_path)
    assert again.returncode == cli.Exit.SETTINGS
    assert (tmp_path / "muses-runbook.toml").read_text() == EXAMPLE.read_text()


def test_a_limit_of_a_row_there_is_not_is_refused(desk: Path) -> None:
    site = desk / "muses-runbook.toml"
    site.write_text(site.read_text() + '[environments.here.limits.ETL-1]\nwarning = "1 s"\n')
    done = said("check", folder=desk)
    assert done.returncode == cli.Exit.SETTINGS
    assert "limits.ETL-1" in done.stderr
    assert "ETL-01" in done.stderr


def test_with_nothing_configured_every_row_is_skipped_and_said(desk: Path) -> None:
    done = said("check", folder=desk)
    assert done.returncode == cli.Exit.OK, done.stderr
    assert "QUEUE-01" in done.stdout
    assert "not configured" in done.stdout


def test_reports_that_cannot_be_written_are_said_and_the_verdict_is_not_lost(desk: Path) -> None:
    (desk / "full").write_text("a file, not a folder")
    done = said("check", "--output", "full/reports", folder=desk)
    assert done.returncode == cli.Exit.NO_REPORT
    assert "full" in done.stderr
    assert "QUEUE-01" in done.stdout


def test_json_is_the_only_thing_on_standard_output(desk: Path) -> None:
    import msgspec

    from runbook.model import Run

    done = said("check", "--json", folder=desk)
    run = msgspec.json.decode(done.stdout, type=Run)
    assert "QUEUE-01" in {record.row for record in run.records}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_its_report(tmp_path: Path, number: int) -> None:
    (tmp_path / "password").write_text("invented-password")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        site = SITE.format(state=tmp_path / "state") + (
            f"[environments.here.database]\nport = {silent.getsockname()[1]}\n"
            f'reader = {{ user = "muses_reader", password = {{ file = "{tmp_path / "password"}" }} }}\n'
        )
        (tmp_path / "muses-runbook.toml").write_text(site)
        with subprocess.Popen(
            [COMMAND, "check", "--output", "reports", "--deadline", "60s"],
            cwd=tmp_path,
            env=os.environ | {"HOME": str(tmp_path), "MUSES_RUNBOOK_LANG": "en"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
        ) as run:
            silent.settimeout(20)
            connection, _address = silent.accept()  # the check is waiting for an answer that never comes
            run.send_signal(number)
            out, err = run.communicate(timeout=20)
            connection.close()
    assert run.returncode == cli.Exit.INTERRUPTED, err
    assert "Traceback" not in err
    assert "DB-01" in out
    assert {path.suffix for path in (tmp_path / "reports").iterdir()} == {".json", ".html", ".md", ".xml"}
