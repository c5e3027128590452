"""``check`` as machines call it: one line on standard output, metrics of whole runs, the trace of each."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runbook.delivery.receivers import receiving

COMMAND = Path(sys.executable).with_name("muses-runbook")
SITE = """
[site]
state = "{folder}/state"

[environments.qa]

[environments.qa.metrics]
textfile = "{folder}/qa.prom"
{more}
"""


def checked(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A check of an environment without targets: every row is skipped, and all is well."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MUSES", "XDG"))}
    return subprocess.run(
        [COMMAND, "check", *arguments],
        cwd=folder,
        env=clean | {"HOME": str(folder), "MUSES_RUNBOOK_LANG": "en"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def desk(folder: Path, more: str = "") -> Path:
    """A folder with a site file."""
    (folder / "muses-runbook.toml").write_text(SITE.format(folder=folder, more=more))
    return folder


def test_a_plugin_prints_its_line_and_leaves_no_report(tmp_path: Path) -> None:
    done = checked(desk(tmp_path), "--format", "nagios")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("MUSES OK - 2 of ")
    assert done.stdout.count("\n") == 1
    assert not (tmp_path / "state" / "runs").exists()
    with sqlite3.connect(tmp_path / "state" / "history.sqlite") as history:
        assert history.execute("SELECT worst, folder FROM run").fetchall() == [("OK", None)]
    history.close()
    assert "muses_runbook_last_run_timestamp_seconds" in (tmp_path / "qa.prom").read_text()


def test_a_run_of_one_row_leaves_the_metrics_and_says_its_line(tmp_path: Path) -> None:
    with receiving() as receiver:
        desk(tmp_path, f'push_url = "{receiver.url}"\notlp_endpoint = "{receiver.url}"')
        done = checked(tmp_path, "QUEUE-01", "--format", "nagios", "--format", "json")
    assert done.stdout.startswith("MUSES OK - ")
    assert [path.suffix for path in (tmp_path / "state" / "runs").glob("*/*")] == [".json"]
    assert not (tmp_path / "qa.prom").exists()
    assert not receiver.groups
    spans = receiver.traces[0].resource_spans[0].scope_spans[0].spans
    assert [span.name for span in spans[:2]] == ["muses-runbook", "QUEUE-01"]


def test_monitoring_that_is_not_reached_is_said_and_hides_no_record(tmp_path: Path) -> None:
    with receiving() as receiver:
        pass  # its port is free again: nobody is there
    done = checked(desk(tmp_path, f'push_url = "{receiver.url}"'), "--json")
    assert done.returncode == 73
    assert "environments.qa.metrics.push_url" in done.stderr
    assert done.stdout.startswith("{")
    assert (tmp_path / "qa.prom").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("--settings", "absent.toml"), 78, "MUSES UNKNOWN - the file cannot be read"),
        (("--json",), 64, ""),
        (("--watch",), 64, ""),
    ],
)
def test_what_cannot_begin_is_unknown(tmp_path: Path, arguments: tuple[str, ...], code: int, line: str) -> None:
    done = checked(desk(tmp_path), "--format", "nagios", *arguments)
    assert done.returncode == code
    assert done.stdout.startswith(line)
    assert done.stdout.count("\n") == bool(line)
    assert done.stderr
