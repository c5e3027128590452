"""The site's own rows from the command line: the ids of the reports are the ids that every command takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runbook import cli
from tests.runbook.test_cli import said

SITE = """
[site]
state = "{folder}/state"
[environments.here.sql_rows]
folders = ["sql"]
[environments.here.packs]
folders = ["filas"]
[environments.here.limits.ALTAS]
warning = {warning}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    for folder in ("sql", "filas"):
        (tmp_path / folder).mkdir()
    (tmp_path / "sql" / "altas.sql").write_text("-- Altas dobles\nSELECT :'lote';\nUPDATE t SET a = 1")
    (tmp_path / "filas" / "rota.py").write_text("import no_such_module")
    (tmp_path / "muses-runbook.toml").write_text(SITE.format(folder=tmp_path, warning=5))
    return tmp_path


def test_list_and_show_know_them(desk: Path) -> None:
    assert "ALTAS" in said("list", folder=desk).stdout
    shown = said("show", "altas", folder=desk).stdout
    assert "Parameters: lote" in shown
    assert "Not run: Line 3: UPDATE is not run" in shown


def test_lint_tells_what_is_wrong_with_them(desk: Path) -> None:
    done = said("lint", "--json", folder=desk)
    found = {one["key"]: one["refuses"] for one in json.loads(done.stdout)}
    assert done.returncode == cli.Exit.CRITICAL
    assert found == {"ALTAS": False, "filas/rota.py": True}


def test_a_limit_that_cannot_be_meant_refuses_the_run(desk: Path) -> None:
    (desk / "muses-runbook.toml").write_text(SITE.format(folder=desk, warning='"5 min"'))
    done = said("check", "ALTAS", folder=desk)
    assert done.returncode == cli.Exit.SETTINGS
    assert "limits.ALTAS.warning: '5 min' does not fit: this row counts in findings" in done.stderr


def test_a_parameter_that_no_script_has_is_refused(desk: Path) -> None:
    done = said("check", "ALTAS", "--param", "lotes=7", folder=desk)
    assert done.returncode == cli.Exit.SETTINGS
    assert "did you mean 'lote'" in done.stderr
    assert said("check", "--param", "lote", folder=desk).returncode == cli.Exit.USAGE


def test_a_file_that_cannot_be_imported_is_in_the_report(desk: Path) -> None:
    done = said("check", "ALTAS", folder=desk)
    assert done.returncode == cli.Exit.UNKNOWN
    assert "rota.py" in done.stdout
    assert "no_such_module" in done.stdout
